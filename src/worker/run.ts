import type { Kysely } from 'kysely';
import type { DB } from '../lib/supabase/database.kysely.ts';
import { DeltaStream } from './delta-stream.ts';
import { RunFailure } from './failure.ts';
import type { Answer } from './model-call.ts';
import type { Claim, Lease } from './queue.ts';
import type { Redaction } from './redaction.ts';
import { runAgent } from './run-agent.ts';
import { runTeam } from './run-team.ts';
import type { Vault } from './secrets.ts';
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

/** What a run has to work with once it is under way. */
export type RunStage = Omit<RunContext, 'abort'> & {
  run: Claim;
  trace: Trace;
  /** Says the next piece of the run's answer to those who watch. */
  say: (text: string) => void;
};

export type RunResult = {
  output: { text: string; finish_reason: string };
  resourceUsage: { worker: string; time_to_first_text_ms: number };
};

/**
 * Carries out one attempt of a run: streams its answer, records its steps.
 *
 * @throws RunFailure when the attempt failed; the signal's reason when it was ended; LeaseLost
 */
export async function carryOut(run: Claim, context: RunContext): Promise<RunResult> {
  const { lease, redaction, settings, signal, abort } = context;
  const trace = new Trace(lease, abort);
  const deltas = new DeltaStream((payload) => lease.sendDelta(payload), redaction, abort);

  if (run.attempt > 1) await deltas.startOver();
  let answer: Answer;
  try {
    answer = await answerOf({ ...context, run, trace, say: (text) => deltas.push(text) });
    await deltas.end();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RunFailure) {
      await deltas.end();
      await trace.fail(error.message);
    }
    throw error;
  }

  const { timeToFirstTextMs, durationMs, finishReason } = answer;
  await lease.log(
    'info',
    `First text after ${timeToFirstTextMs} ms, all of it after ${durationMs} ms.`,
  );
  if (finishReason === 'length') {
    await lease.log('warning', 'The answer was cut off at the limit of output tokens.');
  }
  return {
    output: { text: redaction.apply(answer.text), finish_reason: finishReason },
    resourceUsage: { worker: settings.workerName, time_to_first_text_ms: timeToFirstTextMs },
  };
}

function answerOf(stage: RunStage): Promise<Answer> {
  const { agent_version_id, team_id } = stage.run;
  if (agent_version_id) return runAgent(agent_version_id, stage);
  if (team_id) return runTeam(team_id, stage);
  throw new RunFailure('target_unsupported', 'Workers of this version do not run workflows.');
}
