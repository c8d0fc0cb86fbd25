import { z } from 'zod';
import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Json } from '../supabase/database.types.ts';
import { saveNamedRows } from './named-rows.ts';

export const PARAMETER_TYPES = [
  'string',
  'text',
  'number',
  'boolean',
  'select',
  'multiselect',
  'date',
  'json',
] as const;
export type ParameterType = (typeof PARAMETER_TYPES)[number];

const json = z.json() as z.ZodType<Json>;
const validationRules = z.object({
  min_length: z.number().optional(),
  max_length: z.number().optional(),
  pattern: z.string().optional(),
  min: z.union([z.number(), z.string()]).optional(),
  max: z.union([z.number(), z.string()]).optional(),
  min_items: z.number().optional(),
  max_items: z.number().optional(),
});

const parameter = z.object({
  name: z.string(),
  type: z.enum(PARAMETER_TYPES),
  description: z.string().default(''),
  default_value: json.nullable().default(null),
  required: z.boolean().default(false),
  options: z.array(z.string()).nullable().default(null),
  validation_rules: validationRules.nullish().transform((rules) => rules ?? {}),
});

/** A typed input of an agent, as its draft and its versions hold it. */
export type Parameter = z.infer<typeof parameter>;

/** Reads the parameters that a version has frozen as JSON. */
export function parseParameters(frozen: unknown): Parameter[] {
  return z.array(parameter).parse(frozen);
}

export function newParameter(name: string): Parameter {
  return {
    name,
    type: 'string',
    description: '',
    default_value: null,
    required: true,
    options: null,
    validation_rules: {},
  };
}

/** What a parameter keeps when its type changes: options among choices, nothing that would not fit. */
export function withType(current: Parameter, type: ParameterType): Parameter {
  const isText = (one: ParameterType) => one === 'string' || one === 'text';
  const isChoice = (one: ParameterType) => one === 'select' || one === 'multiselect';
  return {
    ...current,
    type,
    options: isChoice(type) ? (current.options ?? []) : null,
    default_value: isText(type) && isText(current.type) ? current.default_value : null,
    validation_rules: isText(type) && isText(current.type) ? current.validation_rules : {},
  };
}

/** The parameters of an agent's draft, in the order of its form. */
export async function listParameters(supabase: Supabase, agentId: string): Promise<Parameter[]> {
  return (await listOrderedParameters(supabase, agentId)).map(
    ({ display_order: _, ...parameter }) => parameter,
  );
}

/** Makes the draft's parameters these, in this order. */
export async function saveParameters(
  supabase: Supabase,
  agentId: string,
  parameters: readonly Parameter[],
): Promise<void> {
  await saveNamedRows(supabase, 'agent_parameters', agentId, {
    current: await listOrderedParameters(supabase, agentId),
    wanted: parameters.map((one, index) => ({ ...one, display_order: index })),
  });
}

async function listOrderedParameters(
  supabase: Supabase,
  agentId: string,
): Promise<(Parameter & { display_order: number })[]> {
  const data = dataOf(
    await supabase
      .from('agent_parameters')
      .select('name,type,description,default_value,required,options,validation_rules,display_order')
      .eq('agent_id', agentId)
      .order('display_order')
      .order('id'),
  );
  return z.array(parameter.extend({ display_order: z.number() })).parse(data);
}
