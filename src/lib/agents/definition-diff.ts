import type { AgentDefinition } from './versions.ts';

export type DefinitionField = keyof AgentDefinition;

/** A field in which two definitions differ; `text` is worth a diff line by line. */
export type DefinitionChange = {
  field: DefinitionField;
  kind: 'text' | 'value';
  before: string;
  after: string;
};

const FIELDS: [field: DefinitionField, kind: DefinitionChange['kind']][] = [
  ['system_prompt', 'text'],
  ['user_prompt_template', 'text'],
  ['parameters', 'text'],
  ['variables', 'text'],
  ['model', 'value'],
  ['temperature', 'value'],
  ['max_tokens', 'value'],
  ['name', 'value'],
];

/** What changed from one state of an agent to another; from nothing, all that it has. */
export function diffDefinitions(
  before: AgentDefinition | null,
  after: AgentDefinition,
): DefinitionChange[] {
  return FIELDS.map(([field, kind]) => ({
    field,
    kind,
    before: before ? textOf(before, field) : '',
    after: textOf(after, field),
  })).filter((change) => change.before !== change.after);
}

function textOf(definition: AgentDefinition, field: DefinitionField): string {
  switch (field) {
    case 'parameters':
      return definition.parameters
        .map(({ name, type, description, default_value, required, options, validation_rules }) =>
          lines(`${name}: ${type}${required ? ', required' : ''}`, {
            description,
            default: default_value,
            options,
            rules: Object.keys(validation_rules).length > 0 ? validation_rules : null,
          }),
        )
        .join('\n');
    case 'variables':
      // The draft's stand in the order in which they were made, a version's by name.
      return definition.variables
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, description, value }) => lines(name, { description, value }))
        .join('\n');
    default:
      return String(definition[field] ?? '');
  }
}

/** A heading, and below it what is set, one thing a line: a form that a diff shows well. */
function lines(heading: string, facts: Record<string, unknown>): string {
  return [
    heading,
    ...Object.entries(facts)
      .filter(([, value]) => value !== null && value !== '')
      .map(
        ([key, value]) => `  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
      ),
  ].join('\n');
}
