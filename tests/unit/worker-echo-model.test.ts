import { generateText, Output, streamText } from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { echoModel } from '../../src/worker/echo-model.ts';

const ask = { instructions: 'You are terse.', prompt: 'What is up?' };

describe('demo/echo', () => {
  test('says that it is no language model, and shows what one would have been given', async () => {
    const { text, usage } = await generateText({ model: echoModel({ tone: 'kind' }), ...ask });

    expect(text).toMatch(/^\*\*Offline demo model/);
    expect(text).toContain('No language model');
    expect(text).toContain('> You are terse.');
    expect(text).toContain('> What is up?');
    expect(text).toContain('- `tone`: "kind"');
    expect(usage).toMatchObject({ inputTokens: 7, outputTokens: Math.ceil(text.length / 4) });
  });

  test('in a conversation it restates the last message', async () => {
    const { text } = await generateText({
      model: echoModel({}),
      messages: [
        { role: 'user', content: 'I am Ada.' },
        { role: 'assistant', content: 'Hello Ada.' },
        { role: 'user', content: 'Who am I?' },
      ],
    });
    expect(text).toContain('2 messages came before this one.');
    expect(text).toContain('> Who am I?');
    expect(text).not.toContain('I am Ada.');
  });

  test('streams the same text, in pieces', async () => {
    const { text } = await generateText({ model: echoModel({}), ...ask });
    const pieces = await Array.fromAsync(streamText({ model: echoModel({}), ...ask }).textStream);

    expect(pieces.join('')).toBe(text);
    expect(pieces.length).toBeGreaterThan(10);
  });

  test('restates a long prompt in part', async () => {
    const { text } = await generateText({ model: echoModel({}), prompt: 'x'.repeat(144_260) });
    expect(text.length).toBeLessThan(2000);
    expect(text).toContain('… and 143060 more characters.');
  });

  test('answers with the least that fits when it is asked for JSON', async () => {
    const schema = z.object({
      member: z.enum(['one', 'two']),
      tasks: z.array(z.object({ task: z.string(), urgent: z.boolean() })).min(1),
      more: z.array(z.string()),
    });
    const { output } = await generateText({
      model: echoModel({}),
      ...ask,
      output: Output.object({ schema }),
    });
    expect(output).toEqual({
      member: 'one',
      tasks: [{ task: 'What is up?', urgent: false }],
      more: [],
    });
  });

  test('stops when it is told to', async () => {
    const controller = new AbortController();
    const { fullStream } = streamText({
      model: echoModel({}),
      ...ask,
      abortSignal: controller.signal,
    });
    const kinds: string[] = [];
    for await (const part of fullStream) {
      if (part.type === 'text-delta') controller.abort();
      kinds.push(part.type);
    }
    expect(kinds.at(-1)).toBe('abort');
  });
});
