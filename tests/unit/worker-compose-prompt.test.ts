import { expect, test } from 'vitest';
import { composePrompt, withAttachments } from '../../src/worker/compose-prompt.ts';

const version = { system_prompt: 'You are {{role}}.', user_prompt_template: null };

test('parameters and variables are rendered, parameters win', () => {
  expect(
    composePrompt(
      { system_prompt: '{{tone}} {{role}}', user_prompt_template: 'Draw {{thing}}.' },
      { tone: 'Kindly', role: 'variable' },
      { message: 'In blue.', parameters: { role: 'parameter', thing: 'a cat' } },
    ),
  ).toEqual({ system: 'Kindly parameter', user: 'Draw a cat.\n\nIn blue.' });
});

test('a value that looks like a placeholder stays as it is', () => {
  expect(
    composePrompt(version, { role: '{{secret}}', secret: 'x' }, { message: 'Hi', parameters: {} }),
  ).toEqual({ system: 'You are {{secret}}.', user: 'Hi' });
});

test('the message is data: it is not rendered', () => {
  expect(
    composePrompt(version, { role: 'terse' }, { message: '{{role}}', parameters: {} }).user,
  ).toBe('{{role}}');
});

test('without a message, the system prompt is what the user says', () => {
  expect(composePrompt(version, { role: 'terse' }, { message: ' ', parameters: {} })).toEqual({
    system: undefined,
    user: 'You are terse.',
  });
});

test('without anything to ask, the run fails as input_invalid', () => {
  expect(() =>
    composePrompt(
      { system_prompt: '', user_prompt_template: '' },
      {},
      { message: '', parameters: {} },
    ),
  ).toThrow(expect.objectContaining({ code: 'input_invalid' }));
});

test('a file is named with what is known of it', () => {
  const files = [
    { name: 'a.pdf', type: 'application/pdf', size_bytes: 12 },
    { name: 'b', type: null, size_bytes: null },
  ];
  expect(withAttachments('See these.', files)).toBe(
    'See these.\n\n[Attached file, not shown: a.pdf (application/pdf, 12 bytes)]\n' +
      '[Attached file, not shown: b]',
  );
  expect(withAttachments('Hi', [])).toBe('Hi');
});
