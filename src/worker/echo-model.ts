import { setTimeout as sleep } from 'node:timers/promises';
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import { estimateTokens } from '../lib/agents/estimate-tokens.ts';

/** Long prompts are restated in part: the answer is to be read. */
const LONGEST_QUOTE = 1200;

/** The whole answer takes about this long, in milliseconds, so that people see it stream. */
const DURATION_MS = 1500;

/**
 * `demo/echo`: answers without a network, an account or any intelligence, and says so. It shows what a
 * language model would have been given, and is the same for the same input; so a first run needs
 * nothing, and a prompt can be looked at before it costs anything. Its token counts are estimates.
 */
export function echoModel(parameters: Record<string, unknown>): LanguageModelV4 {
  return {
    specificationVersion: 'v4',
    provider: 'demo',
    modelId: 'echo',
    supportedUrls: {},

    async doGenerate({ prompt }) {
      const text = answerTo(prompt, parameters);
      return {
        content: [{ type: 'text', text }],
        finishReason: FINISHED,
        usage: usageOf(prompt, text),
        warnings: [],
      };
    },

    async doStream({ prompt, abortSignal }) {
      const text = answerTo(prompt, parameters);
      const parts = speak(text, usageOf(prompt, text), abortSignal);
      return {
        stream: new ReadableStream<LanguageModelV4StreamPart>({
          async pull(controller) {
            const { done, value } = await parts.next();
            if (done) controller.close();
            else controller.enqueue(value);
          },
        }),
      };
    },
  };
}

const FINISHED: LanguageModelV4FinishReason = { unified: 'stop', raw: 'stop' };

async function* speak(
  text: string,
  usage: LanguageModelV4Usage,
  signal: LanguageModelV4CallOptions['abortSignal'],
): AsyncGenerator<LanguageModelV4StreamPart> {
  yield { type: 'stream-start', warnings: [] };
  yield { type: 'text-start', id: 'answer' };
  const words = text.match(/\s*\S+\s*/g) ?? [];
  for (const delta of words) {
    await sleep(DURATION_MS / words.length, undefined, { signal });
    yield { type: 'text-delta', id: 'answer', delta };
  }
  yield { type: 'text-end', id: 'answer' };
  yield { type: 'finish', finishReason: FINISHED, usage };
}

function answerTo(prompt: LanguageModelV4Prompt, parameters: Record<string, unknown>): string {
  const system = textOf(prompt, 'system');
  const user = textOf(prompt, 'user');
  const names = Object.keys(parameters);
  return [
    '**Offline demo model (`demo/echo`).** No language model has read this. It repeats what one would ' +
      'have been given; choose another model on the agent to get a real answer.',
    section('System prompt', system),
    section('Message', user),
    names.length > 0 &&
      `### Parameters\n\n${names
        .map((name) => `- \`${name}\`: ${JSON.stringify(parameters[name])}`)
        .join('\n')}`,
    `### Size\n\nAbout ${estimateTokens(system + user)} tokens in ${system.length + user.length} characters.`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

function section(title: string, text: string): string | undefined {
  if (!text) return undefined;
  const shown = text.length > LONGEST_QUOTE ? text.slice(0, LONGEST_QUOTE).toWellFormed() : text;
  const rest =
    text.length > shown.length ? `\n\n… and ${text.length - shown.length} more characters.` : '';
  const quote = shown.split('\n').map((line) => `> ${line}`.trimEnd());
  return `### ${title}\n\n${quote.join('\n')}${rest}`;
}

function textOf(prompt: LanguageModelV4Prompt, role: 'system' | 'user'): string {
  return prompt
    .filter((message) => message.role === role)
    .flatMap(({ content }) =>
      typeof content === 'string'
        ? content
        : content.flatMap((part) => (part.type === 'text' ? part.text : [])),
    )
    .join('\n\n');
}

function usageOf(prompt: LanguageModelV4Prompt, answer: string): LanguageModelV4Usage {
  const input = estimateTokens(textOf(prompt, 'system') + textOf(prompt, 'user'));
  const output = estimateTokens(answer);
  return {
    inputTokens: { total: input, noCache: input, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: output, text: output, reasoning: undefined },
  };
}
