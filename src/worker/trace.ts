import type { LanguageModelV4, LanguageModelV4Prompt } from '@ai-sdk/provider';
import { wrapLanguageModel } from 'ai';
import type { Lease, StepResult, StepStart } from './queue.ts';

/**
 * Records the steps of one run as they begin and end. A step that is still open when the run fails
 * is closed with the failure.
 */
export class Trace {
  readonly #lease: Lease;
  readonly #onFailure: (error: unknown) => void;
  readonly #open = new Map<string, () => StepResult>();
  /** Steps that begin at once stand in the trace in the order in which they were begun. */
  #begun: Promise<unknown> = Promise.resolve();

  /** @param onFailure told when a step cannot be written: the SDK would take it for the provider's fault */
  constructor(lease: Lease, onFailure: (error: unknown) => void) {
    this.#lease = lease;
    this.#onFailure = onFailure;
  }

  /**
   * A step around a piece of work, which gets its id, for steps within. What the work answers is the
   * step's output; when it fails, the step stays open for {@link fail}.
   */
  async step<Output>(
    step: Pick<StepStart, 'name' | 'type' | 'input'>,
    work: (stepId: string) => Promise<Output>,
  ): Promise<Output> {
    const id = await this.#start(step, () => ({}));
    const output = await work(id);
    await this.#finish(id, { output });
    return output;
  }

  /**
   * The same model, every call of which becomes a step with what was asked, answered and used.
   *
   * @param parentStepId the step that the calls are a part of
   */
  recorded(reference: string, model: LanguageModelV4, parentStepId?: string): LanguageModelV4 {
    return wrapLanguageModel({
      model,
      middleware: {
        specificationVersion: 'v4',
        wrapStream: async ({ doStream, params }) => {
          const answer: { text: string; reasoning?: string } = { text: '' };
          const step = await this.#start(
            {
              name: `Call ${reference}`,
              type: 'llm_call',
              parent_step_id: parentStepId,
              model: reference,
              input: {
                messages: readable(params.prompt),
                temperature: params.temperature,
                max_tokens: params.maxOutputTokens,
              },
            },
            () => ({ output: answer }),
          );
          const { stream, ...rest } = await doStream();
          const recorder = new TransformStream<StreamPart, StreamPart>({
            transform: async (part, controller) => {
              if (part.type === 'text-delta') answer.text += part.delta;
              if (part.type === 'reasoning-delta') {
                answer.reasoning = (answer.reasoning ?? '') + part.delta;
              }
              if (part.type === 'finish' && isComplete(part)) {
                await this.#finish(step, {
                  output: {
                    ...answer,
                    finish_reason: part.finishReason.unified,
                    provider_metadata: part.providerMetadata,
                  },
                  prompt_tokens: part.usage.inputTokens.total,
                  cached_prompt_tokens: part.usage.inputTokens.cacheRead,
                  completion_tokens: part.usage.outputTokens.total,
                });
              }
              controller.enqueue(part);
            },
          });
          return { stream: stream.pipeThrough(recorder), ...rest };
        },
      },
    });
  }

  /** Closes what is open with the reason for which the run failed. */
  async fail(message: string): Promise<void> {
    for (const [step, result] of this.#open) {
      await this.#finish(step, { ...result(), error_message: message });
    }
  }

  async #start(step: StepStart, resultSoFar: () => StepResult): Promise<string> {
    const beginning = this.#begun.then(() => this.#write(this.#lease.startStep(step)));
    this.#begun = beginning.catch(() => {});
    const id = await beginning;
    this.#open.set(id, resultSoFar);
    return id;
  }

  async #finish(step: string, result: StepResult): Promise<void> {
    this.#open.delete(step);
    await this.#write(this.#lease.finishStep(step, result));
  }

  async #write<T>(write: Promise<T>): Promise<T> {
    return write.catch((error: unknown) => {
      this.#onFailure(error);
      throw error;
    });
  }
}

type StreamPart =
  Awaited<ReturnType<LanguageModelV4['doStream']>>['stream'] extends ReadableStream<infer Part>
    ? Part
    : never;

function isComplete(part: Extract<StreamPart, { type: 'finish' }>): boolean {
  return !['error', 'interrupted'].includes(part.finishReason.unified);
}

/** Messages with plain text as plain text: that is how people read them in the trace. */
function readable(prompt: LanguageModelV4Prompt) {
  return prompt.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string' || content.some((part) => part.type !== 'text')
        ? content
        : content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
  }));
}
