export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

/**
 * An `ilike` pattern for `or=(...)` that finds `text` anywhere, taken literally: quoted, so that commas
 * and brackets in it end nothing, and with its own wildcards disarmed. PostgREST turns every `*` into
 * `%`, even a quoted one, so that one matches any single character instead.
 */
export function containing(text: string): string {
  const literal = text.replace(/[\\%_]/g, '\\$&').replaceAll('*', '_');
  return quoted(`%${literal}%`);
}

/** A value for `or=(...)`, in which commas and brackets would otherwise end it. */
export function quoted(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}
