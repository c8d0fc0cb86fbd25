import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { agentInputSchema, composePrompt } from './compose-prompt.ts';
import { untilAnswered } from './database.ts';
import { DeltaStream } from './delta-stream.ts';
import { RunFailure } from './failure.ts';
import { streamModel } from './model-stream.ts';
import { findModel } from './providers.ts';
import type { Claim, Lease } from './queue.ts';
import type { Redaction } from './redaction.ts';
import { resolveTokens, type Vault } from './secrets.ts';
import type { Settings } from './settings.ts';
import { Trace } from './trace.ts';

/** What a run needs besides itself. */
export type RunContext = {
  database: Kysely<DB>;
  vault: Vault;
  settings: Settings;
  lease: Lease;
  redaction: Redaction;
  /** Ends the run: cancelled, lost, overdue, or the worker is shutting down. */
  signal: AbortSignal;
  /** Aborts the signal, when the run's records cannot be written. */
  abort: (reason: unknown) => void;
};

export type RunResult = {
  output: { text: string; finish_reason: string };
  resourceUsage: { worker: string; time_to_first_text_ms: number };
};

/**
 * Runs an agent as its version was frozen: renders the prompt, calls the model, streams the answer.
 *
 * @throws RunFailure when the attempt failed; the signal's reason when it was ended; LeaseLost
 */
export async function runAgent(run: Claim, context: RunContext): Promise<RunResult> {
  const { lease, redaction, settings, signal, abort } = context;
  const trace = new Trace(lease, abort);
  const deltas = new DeltaStream((payload) => lease.sendDelta(payload), redaction, abort);

  if (run.attempt > 1) await deltas.startOver();
  const { model, reference, prompt, limits } = await prepare(run, context);
  await lease.log('info', `Attempt ${run.attempt} of ${run.max_attempts}: calling ${reference}.`);

  const startedAt = performance.now();
  let timeToFirstText = 0;
  let finishReason = 'other';
  try {
    const parts = streamModel({
      model: trace.recorded(reference, model),
      prompt,
      ...limits,
      idleMs: settings.modelIdleMs,
      signal,
    });
    for await (const part of parts) {
      switch (part.type) {
        case 'start-step':
          for (const warning of part.warnings) await lease.log('warning', wordsOf(warning));
          break;
        case 'text-delta':
          timeToFirstText ||= Math.round(performance.now() - startedAt);
          deltas.push(part.text);
          break;
        case 'finish':
          finishReason = part.finishReason;
          break;
      }
    }
    if (deltas.text.trim() === '') {
      throw new RunFailure(
        'provider_bad_response',
        `The model ended without a text (${finishReason}).`,
      );
    }
    await deltas.end();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RunFailure) {
      await deltas.end();
      await trace.fail(error.message);
    }
    throw error;
  }

  const duration = Math.round(performance.now() - startedAt);
  await lease.log(
    'info',
    `First text after ${timeToFirstText} ms, all of it after ${duration} ms.`,
  );
  if (finishReason === 'length') {
    await lease.log('warning', 'The answer was cut off at the limit of output tokens.');
  }
  return {
    output: { text: redaction.apply(deltas.text), finish_reason: finishReason },
    resourceUsage: {
      worker: settings.workerName,
      time_to_first_text_ms: timeToFirstText,
    },
  };
}

/** JSON columns of a version, as `private.draft_version` fills them. */
const variablesSchema = z.array(z.object({ name: z.string(), value: z.unknown() }));
const configurationSchema = z.object({
  base_url: z.string().optional().catch(undefined),
  max_steps: z.number().int().min(1).max(100).catch(10),
});

async function prepare(run: Claim, { database, vault, settings, redaction, signal }: RunContext) {
  const version = await untilAnswered(
    () =>
      database
        .selectFrom('agent_versions')
        .where('id', '=', run.agent_version_id)
        .selectAll()
        .executeTakeFirstOrThrow(),
    signal,
  );
  const readToken = async (key: string) => {
    const token = await untilAnswered(
      () => vault.readToken(run.organization_id, run.user_id, key),
      signal,
    );
    if (token !== undefined) redaction.add(token);
    return token;
  };

  const input = agentInputSchema.parse(run.input);
  const configuration = configurationSchema.parse(version.agent_config);
  const variables = Object.fromEntries(
    variablesSchema.parse(version.variables).map(({ name, value }) => [name, value]),
  );
  const prompt = composePrompt(
    version,
    (await resolveTokens(variables, readToken)) as Record<string, unknown>,
    input,
  );
  const model = await findModel(version.model, {
    environment: settings.providers,
    readToken,
    baseUrl: configuration.base_url,
    parameters: input.parameters,
  });
  return {
    model,
    reference: version.model,
    prompt,
    limits: {
      temperature: version.temperature === null ? undefined : Number(version.temperature),
      maxTokens: version.max_tokens ?? undefined,
      // The same as private.reservation holds money back for: without tools there is one step.
      maxSteps:
        isEmpty(version.tools) && isEmpty(version.mcp_servers) ? 1 : configuration.max_steps,
    },
  };
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}

function wordsOf(warning: { type: string; feature?: string; details?: string; message?: string }) {
  return [warning.message ?? warning.type, warning.feature, warning.details]
    .filter(Boolean)
    .join(': ');
}
