import { expect, test } from 'vitest';
import { diffDefinitions } from '../../src/lib/agents/definition-diff.ts';
import { newParameter } from '../../src/lib/agents/parameters.ts';
import type { AgentDefinition } from '../../src/lib/agents/versions.ts';

const before: AgentDefinition = {
  name: 'Translator',
  model: 'demo/echo',
  temperature: null,
  max_tokens: null,
  system_prompt: 'Translate into {{language}}.',
  user_prompt_template: null,
  parameters: [newParameter('language')],
  variables: [
    { name: 'b', description: '', value: 'two' },
    { name: 'a', description: '', value: { token: 'KEY' } },
  ],
};

test('names the fields that differ, with what they were and are', () => {
  expect(diffDefinitions(before, { ...before, temperature: 0, model: 'openai/gpt-5' })).toEqual([
    { field: 'model', kind: 'value', before: 'demo/echo', after: 'openai/gpt-5' },
    { field: 'temperature', kind: 'value', before: '', after: '0' },
  ]);
});

test('shows a parameter as lines, so that a diff says what of it changed', () => {
  const after = {
    ...before,
    parameters: [{ ...newParameter('language'), default_value: 'French', required: false }],
  };
  expect(diffDefinitions(before, after)).toEqual([
    {
      field: 'parameters',
      kind: 'text',
      before: 'language: string, required',
      after: 'language: string\n  default: French',
    },
  ]);
});

test('does not take another order of variables for a change', () => {
  expect(diffDefinitions(before, { ...before, variables: before.variables.toReversed() })).toEqual(
    [],
  );
});

test('shows all of the first version', () => {
  expect(diffDefinitions(null, before).map(({ field }) => field)).toEqual([
    'system_prompt',
    'parameters',
    'variables',
    'model',
    'name',
  ]);
});
