import type { LanguageModelV4 } from '@ai-sdk/provider';
import type { FinishReason } from 'ai';
import type { Prompt } from './compose-prompt.ts';
import { RunFailure } from './failure.ts';
import { streamModel, type AnswerFormat } from './model-stream.ts';
import type { RunStage } from './run.ts';

export type ModelQuestion = {
  /** `<provider>/<name>`, as agents and teams name it. */
  reference: string;
  model: LanguageModelV4;
  prompt: Prompt;
  temperature?: number;
  maxTokens?: number;
  maxSteps?: number;
  /** Asks for JSON of this form; models that cannot be held to it must be told in the prompt. */
  format?: AnswerFormat;
};

export type Answer = {
  text: string;
  finishReason: FinishReason;
  timeToFirstTextMs: number;
  durationMs: number;
};

/**
 * Asks a model, records the call, and answers with all it said.
 *
 * @param parentStepId the step that the call is a part of
 * @param onText told each piece as it comes
 * @throws RunFailure for everything that a provider can do wrong, an empty answer included; the
 *   signal's reason; LeaseLost
 */
export async function askModel(
  question: ModelQuestion,
  { trace, lease, settings, signal }: RunStage,
  { parentStepId, onText }: { parentStepId?: string; onText?: (text: string) => void } = {},
): Promise<Answer> {
  const startedAt = performance.now();
  const elapsed = () => Math.round(performance.now() - startedAt);
  let text = '';
  let timeToFirstTextMs = 0;
  let finishReason: FinishReason = 'other';
  const parts = streamModel({
    model: trace.recorded(question.reference, question.model, parentStepId),
    prompt: question.prompt,
    temperature: question.temperature,
    maxTokens: question.maxTokens,
    maxSteps: question.maxSteps ?? 1,
    format: question.format,
    idleMs: settings.modelIdleMs,
    signal,
  });
  for await (const part of parts) {
    switch (part.type) {
      case 'start-step':
        for (const warning of part.warnings) await lease.log('warning', wordsOf(warning));
        break;
      case 'text-delta':
        timeToFirstTextMs ||= elapsed();
        text += part.text;
        onText?.(part.text);
        break;
      case 'finish':
        finishReason = part.finishReason;
        break;
    }
  }
  if (text.trim() === '') {
    throw new RunFailure(
      'provider_bad_response',
      `The model ended without a text (${finishReason}).`,
    );
  }
  return { text, finishReason, timeToFirstTextMs, durationMs: elapsed() };
}

function wordsOf(warning: { type: string; feature?: string; details?: string; message?: string }) {
  return [warning.message ?? warning.type, warning.feature, warning.details]
    .filter(Boolean)
    .join(': ');
}
