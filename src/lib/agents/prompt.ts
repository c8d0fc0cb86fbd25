/** A `{{name}}` in a prompt; `from` and `to` are offsets in UTF-16 units, braces included. */
export type Placeholder = { name: string; from: number; to: number };

// What may stand between the braces is what the database takes as the name of a parameter or variable.
// All else in double braces is somebody's code and stays text.
const PLACEHOLDER = /\{\{([^().[{}+:\p{Cc}]{1,250})\}\}/gu;
const LONGEST_NAME = 200;

/** The placeholders of a prompt, in their order; spaces inside the braces do not count. */
export function findPlaceholders(template: string): Placeholder[] {
  const placeholders: Placeholder[] = [];
  for (const match of template.matchAll(PLACEHOLDER)) {
    const name = match[1]!.trim();
    if (name === '' || [...name].length > LONGEST_NAME) continue;
    placeholders.push({ name, from: match.index, to: match.index + match[0].length });
  }
  return placeholders;
}

/**
 * Puts values in the place of their names, once: a value that contains `{{...}}` stays as it is. A
 * placeholder without a value stays text; one whose value is null, an optional parameter that was left
 * out, becomes nothing.
 *
 * Lists are joined by commas, objects become JSON.
 */
export function renderPrompt(template: string, values: Readonly<Record<string, unknown>>): string {
  let rendered = '';
  let end = 0;
  for (const { name, from, to } of findPlaceholders(template)) {
    if (!Object.hasOwn(values, name)) continue;
    rendered += template.slice(end, from) + asText(values[name]);
    end = to;
  }
  return rendered + template.slice(end);
}

/** The different names that prompts use, in the order of their first use. */
export function namesIn(...templates: (string | null)[]): string[] {
  return [
    ...new Set(templates.flatMap((text) => findPlaceholders(text ?? '').map(({ name }) => name))),
  ];
}

/**
 * Holds the names that prompts use against those that are defined: `missing` ones are used and stand
 * for nothing, `unused` ones are defined and stand nowhere.
 */
export function compareNames(
  used: readonly string[],
  defined: readonly string[],
): { missing: string[]; unused: string[] } {
  return {
    missing: used.filter((name) => !defined.includes(name)),
    unused: defined.filter((name) => !used.includes(name)),
  };
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(asText).join(', ');
  if (typeof value === 'object') return JSON.stringify(value, null, 2);
  return String(value);
}
