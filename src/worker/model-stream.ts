import {
  isStepCount,
  Output,
  streamText,
  type FinishReason,
  type LanguageModel,
  type TextStreamPart,
  type ToolSet,
} from 'ai';
import type { z } from 'zod';
import { providerFailure, RunFailure } from './failure.ts';
import type { Prompt } from './compose-prompt.ts';

/** The form of an answer that is JSON. */
export type AnswerFormat = z.ZodType;

export type ModelCall = {
  model: LanguageModel;
  prompt: Prompt;
  temperature: number | undefined;
  maxTokens: number | undefined;
  maxSteps: number;
  /** Whoever asks for a form reads the text by {@link parseAnswer}: providers keep to it as well as they can. */
  format?: AnswerFormat | undefined;
  /** Silence, in milliseconds, after which the provider is given up. */
  idleMs: number;
  /** Ends the call; its reason is thrown. */
  signal: AbortSignal;
};

/**
 * Calls a model and yields what it streams. There are no retries within: a failed try ends, so that it
 * can be seen in the trace, and the run returns to the queue.
 *
 * @throws RunFailure for everything that a provider can do wrong; the signal's reason when it ended the
 *   call
 */
export async function* streamModel(call: ModelCall): AsyncGenerator<TextStreamPart<ToolSet>> {
  const idle = new IdleTimer(call.idleMs);
  // Whoever stops listening ends the call: a provider bills what it goes on saying.
  const left = new AbortController();
  try {
    const { fullStream } = streamText({
      model: call.model,
      instructions: call.prompt.system,
      messages: [...(call.prompt.history ?? []), { role: 'user', content: call.prompt.user }],
      temperature: call.temperature,
      maxOutputTokens: call.maxTokens,
      stopWhen: isStepCount(call.maxSteps),
      output: call.format && Output.object({ schema: call.format }),
      maxRetries: 0,
      abortSignal: AbortSignal.any([call.signal, idle.signal, left.signal]),
      // Errors arrive in the stream; the default prints them, prompts included.
      onError: () => {},
    });
    for await (const part of fullStream) {
      idle.restart();
      if (part.type === 'error') throw part.error;
      if (part.type === 'abort') throw part.reason;
      if (part.type === 'finish-step') refuseHalfAnswer(part.finishReason);
      yield part;
    }
  } catch (error) {
    call.signal.throwIfAborted();
    idle.signal.throwIfAborted();
    throw providerFailure(error);
  } finally {
    idle.stop();
    left.abort();
  }
}

/**
 * What a model answered in the form that it was asked for; those that are not held to it like to put a
 * fence around it.
 *
 * @param who the model is, in words that begin a sentence
 * @throws RunFailure `provider_bad_response`
 */
export function parseAnswer<Format extends AnswerFormat>(
  text: string,
  format: Format,
  who: string,
): z.infer<Format> {
  const json = text.replace(/^\s*```(?:json)?\s*|\s*```\s*$/g, '');
  try {
    return format.parse(JSON.parse(json));
  } catch (error) {
    throw new RunFailure(
      'provider_bad_response',
      `${who} did not answer in the form that it was asked for.`,
      { cause: error },
    );
  }
}

function refuseHalfAnswer(finishReason: FinishReason): void {
  if (finishReason === 'content-filter') {
    throw new RunFailure(
      'provider_refused',
      'The model declined to answer, or its answer was filtered.',
    );
  }
  if (finishReason === 'interrupted') {
    throw new RunFailure(
      'stream_interrupted',
      'The connection broke before the answer was complete.',
      { retryable: true },
    );
  }
}

/** Aborts after a silence. The SDK's own timeouts begin once response headers are there. */
class IdleTimer {
  readonly #ms: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout;

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.stop();
    this.#timer = this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#controller.abort(
        new RunFailure(
          'provider_timeout',
          `The provider was silent for ${Math.round(this.#ms / 1000)} seconds.`,
          { retryable: true },
        ),
      );
    }, this.#ms);
  }
}
