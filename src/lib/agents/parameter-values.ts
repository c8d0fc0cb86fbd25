import type { Json } from '../supabase/database.types.ts';
import type { Parameter } from './parameters.ts';

/** What the control of a parameter holds: text, a tick, or the chosen options. */
export type FieldValue = string | boolean | string[];
export type FieldValues = Record<string, FieldValue>;

/** Why a value cannot be sent; the message catalogue has the words. */
export type ValueProblem =
  | { kind: 'required' | 'not_a_number' | 'not_a_date' | 'not_json' }
  | { kind: 'too_short' | 'too_long' | 'too_few' | 'too_many'; limit: number }
  | { kind: 'too_small' | 'too_large'; limit: number | string };

export type Reading = { ok: true; value: Json | undefined } | { ok: false; problem: ValueProblem };

/** What a form starts with: each parameter's default, or nothing. */
export function initialValues(parameters: readonly Parameter[]): FieldValues {
  return Object.fromEntries(
    parameters.map((parameter) => [
      parameter.name,
      toFieldValue(parameter, parameter.default_value),
    ]),
  );
}

/** Puts a stored JSON value into the control of its parameter. */
export function toFieldValue(parameter: Pick<Parameter, 'type'>, value: Json): FieldValue {
  if (parameter.type === 'boolean') return value === true;
  if (parameter.type === 'multiselect') {
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  }
  if (value === null) return '';
  if (parameter.type === 'json') return JSON.stringify(value, null, 2);
  return String(value);
}

/**
 * Reads a control. The database checks everything again when the run is asked for; this is for the
 * message beside the field. Patterns are POSIX and left to the database. An empty optional field
 * reads as `undefined`: it is not sent, and the default applies.
 */
export function readFieldValue(parameter: Parameter, field: FieldValue | undefined): Reading {
  if (typeof field === 'boolean') return { ok: true, value: field };
  if (Array.isArray(field)) return readChoices(parameter, field);

  const text = field ?? '';
  if (text.trim() === '') {
    return parameter.required && parameter.default_value === null
      ? refuse({ kind: 'required' })
      : { ok: true, value: undefined };
  }
  switch (parameter.type) {
    case 'number':
      return readNumber(parameter, text);
    case 'date':
      return readDate(parameter, text);
    case 'json':
      return readJson(text);
    default:
      return readText(parameter, text);
  }
}

/** The values to send, or the problem of each field that has one. */
export function readFieldValues(
  parameters: readonly Parameter[],
  fields: FieldValues,
): { values: Record<string, Json>; problems: Record<string, ValueProblem> } {
  const values: Record<string, Json> = {};
  const problems: Record<string, ValueProblem> = {};
  for (const parameter of parameters) {
    const reading = readFieldValue(parameter, fields[parameter.name]);
    if (!reading.ok) problems[parameter.name] = reading.problem;
    else if (reading.value !== undefined) values[parameter.name] = reading.value;
  }
  return { values, problems };
}

function readText({ validation_rules: rules }: Parameter, text: string): Reading {
  // Counted as PostgreSQL counts: characters, not UTF-16 units.
  const length = [...text].length;
  if (rules.min_length !== undefined && length < rules.min_length) {
    return refuse({ kind: 'too_short', limit: rules.min_length });
  }
  if (rules.max_length !== undefined && length > rules.max_length) {
    return refuse({ kind: 'too_long', limit: rules.max_length });
  }
  return { ok: true, value: text };
}

function readNumber({ validation_rules: rules }: Parameter, text: string): Reading {
  const value = Number(text);
  if (!Number.isFinite(value)) return refuse({ kind: 'not_a_number' });
  if (typeof rules.min === 'number' && value < rules.min) {
    return refuse({ kind: 'too_small', limit: rules.min });
  }
  if (typeof rules.max === 'number' && value > rules.max) {
    return refuse({ kind: 'too_large', limit: rules.max });
  }
  return { ok: true, value };
}

function readDate({ validation_rules: rules }: Parameter, text: string): Reading {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
  if (!isDate) return refuse({ kind: 'not_a_date' });
  if (typeof rules.min === 'string' && text < rules.min) {
    return refuse({ kind: 'too_small', limit: rules.min });
  }
  if (typeof rules.max === 'string' && text > rules.max) {
    return refuse({ kind: 'too_large', limit: rules.max });
  }
  return { ok: true, value: text };
}

function readJson(text: string): Reading {
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch {
    return refuse({ kind: 'not_json' });
  }
}

function readChoices({ required, validation_rules: rules }: Parameter, chosen: string[]): Reading {
  if (required && chosen.length === 0) return refuse({ kind: 'required' });
  if (rules.min_items !== undefined && chosen.length < rules.min_items) {
    return refuse({ kind: 'too_few', limit: rules.min_items });
  }
  if (rules.max_items !== undefined && chosen.length > rules.max_items) {
    return refuse({ kind: 'too_many', limit: rules.max_items });
  }
  return { ok: true, value: chosen };
}

function refuse(problem: ValueProblem): Reading {
  return { ok: false, problem };
}
