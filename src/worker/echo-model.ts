import { setTimeout as sleep } from 'node:timers/promises';
import type {
  JSONSchema7,
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

/** A whole answer to people takes about this long, in milliseconds, so that they see it stream. */
const DURATION_MS = 1500;

/**
 * `demo/echo`: answers without a network, an account or any intelligence, and says so. It shows what a
 * language model would have been given, and is the same for the same input; so a first run needs
 * nothing, and a prompt can be looked at before it costs anything. Asked for JSON, it answers with the
 * least that fits, and so leads a team by picking the first member. Its token counts are estimates.
 */
export function echoModel(parameters: Record<string, unknown>): LanguageModelV4 {
  return {
    specificationVersion: 'v4',
    provider: 'demo',
    modelId: 'echo',
    supportedUrls: {},

    async doGenerate(options) {
      const { prompt } = options;
      const text = answerTo(options, parameters);
      return {
        content: [{ type: 'text', text }],
        finishReason: FINISHED,
        usage: usageOf(prompt, text),
        warnings: [],
      };
    },

    async doStream(options) {
      const { prompt, abortSignal, responseFormat } = options;
      const text = answerTo(options, parameters);
      const pieces = responseFormat?.type === 'json' ? [text] : wordsOf(text);
      const parts = speak(pieces, usageOf(prompt, text), abortSignal);
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
  pieces: string[],
  usage: LanguageModelV4Usage,
  signal: LanguageModelV4CallOptions['abortSignal'],
): AsyncGenerator<LanguageModelV4StreamPart> {
  yield { type: 'stream-start', warnings: [] };
  yield { type: 'text-start', id: 'answer' };
  for (const delta of pieces) {
    if (pieces.length > 1) await sleep(DURATION_MS / pieces.length, undefined, { signal });
    yield { type: 'text-delta', id: 'answer', delta };
  }
  yield { type: 'text-end', id: 'answer' };
  yield { type: 'finish', finishReason: FINISHED, usage };
}

function wordsOf(text: string): string[] {
  return text.match(/\s*\S+\s*/g) ?? [];
}

function answerTo(
  { prompt, responseFormat }: LanguageModelV4CallOptions,
  parameters: Record<string, unknown>,
): string {
  const system = textOf(prompt, 'system');
  const said = prompt.filter(({ role }) => role !== 'system');
  const user = textOf(said.slice(-1), 'user');
  if (responseFormat?.type === 'json') {
    return JSON.stringify(leastValue(responseFormat.schema ?? {}, user));
  }
  const names = Object.keys(parameters);
  return [
    '**Offline demo model (`demo/echo`).** No language model has read this. It repeats what one would ' +
      'have been given; choose another model on the agent to get a real answer.',
    section('System prompt', system),
    said.length > 1 && `### Conversation\n\n${said.length - 1} messages came before this one.`,
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

/** The least that fits a schema: the first choice, as few items as there may be, the message as text. */
function leastValue(schema: JSONSchema7 | boolean, message: string): unknown {
  if (typeof schema === 'boolean') return null;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, property]) => [
          name,
          leastValue(property, message),
        ]),
      );
    case 'array': {
      const item = Array.isArray(schema.items) ? schema.items[0] : schema.items;
      return Array.from({ length: schema.minItems ?? 0 }, () => leastValue(item ?? {}, message));
    }
    case 'string':
      return message;
    case 'number':
    case 'integer':
      return schema.minimum ?? 0;
    case 'boolean':
      return false;
    default:
      return null;
  }
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
