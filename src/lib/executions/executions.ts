import { dataOf } from '../supabase/answer.ts';
import type { Page } from '../components/data/keyset.svelte.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Database, Json } from '../supabase/database.types.ts';
import { containing, isUuid } from '../supabase/filters.ts';
import { firstIdAt } from './id-time.ts';

type Row<Table extends keyof Database['public']['Tables']> =
  Database['public']['Tables'][Table]['Row'];

export type RunStatus = 'pending' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
export type TargetType = 'agent' | 'team' | 'workflow';
export type TriggerSource = 'user' | 'api' | 'schedule' | 'webhook' | 'eval' | 'agent';

/** What a run was asked. */
export type RunInput = { message?: string; parameters?: Record<string, Json> };

export type RunContext = {
  status: RunStatus;
  trigger_source: TriggerSource;
  target_type: TargetType;
  /** What ran is one of these; null when the reader may not see it, or it is gone. */
  agent: { name: string; slug: string; organization_id: string } | null;
  team: { name: string } | null;
  workflow: { name: string } | null;
  /** `version` is null for a frozen draft. */
  agent_version: { version: string | null; model: string } | null;
};

/** A run as lists show it: without what it was asked and what it answered in full. */
export type RunSummary = RunContext &
  Pick<
    Row<'executions'>,
    | 'id'
    | 'agent_id'
    | 'agent_version_id'
    | 'user_id'
    | 'created_at'
    | 'started_at'
    | 'completed_at'
    | 'latency_ms'
    | 'total_tokens'
    | 'cost_usd'
    | 'error_code'
    | 'attempt'
  > & { message: string | null; parameters: Record<string, Json> | null };

export type Run = Omit<Row<'executions'>, 'input' | 'output'> &
  RunContext & {
    input: RunInput;
    output: { text?: string; [key: string]: Json | undefined } | null;
  };
export type RunStep = Row<'execution_steps'>;
export type RunLog = Row<'execution_logs'>;
export type RunEvent = Pick<Row<'execution_events'>, 'seq' | 'kind'> & {
  payload: { [key: string]: Json | undefined };
};

const CONTEXT =
  'agent(name,slug,organization_id),team(name),workflow(name),agent_version(version,model)';
const SUMMARY = `id,target_type,agent_id,agent_version_id,user_id,trigger_source,status,created_at,
  started_at,completed_at,latency_ms,total_tokens,cost_usd,error_code,attempt,message:input->>message,
  parameters:input->parameters,${CONTEXT}`;
const PAGE_SIZE = 50;
const EVENTS_PER_REQUEST = 1_000;

export function isFinished(status: RunStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

export type RunFilter = {
  organizationId: string;
  statuses?: RunStatus[];
  agentId?: string | null;
  versionId?: string | null;
  sources?: TriggerSource[];
  /** Words of the message or of the answer, or the id of a run. */
  text?: string | null;
  from?: Date | null;
  to?: Date | null;
};

/** The runs of an organization that the caller may see, newest first. */
export async function listRuns(
  supabase: Supabase,
  filter: RunFilter,
  after?: Pick<RunSummary, 'id'>,
  limit = PAGE_SIZE,
): Promise<Page<RunSummary>> {
  let query = supabase
    .from('executions')
    .select(SUMMARY)
    .eq('organization_id', filter.organizationId)
    // Ids begin with their time: newest first, and a bound on the id opens only its months.
    .order('id', { ascending: false })
    .limit(limit + 1);
  if (after) query = query.lt('id', after.id);
  if (filter.statuses?.length) query = query.in('status', filter.statuses);
  if (filter.sources?.length) query = query.in('trigger_source', filter.sources);
  if (filter.agentId) query = query.eq('agent_id', filter.agentId);
  if (filter.versionId) query = query.eq('agent_version_id', filter.versionId);
  if (filter.from) query = query.gte('id', firstIdAt(filter.from));
  if (filter.to) query = query.lt('id', firstIdAt(filter.to));
  if (filter.text) {
    const pattern = containing(filter.text);
    query = isUuid(filter.text)
      ? query.eq('id', filter.text)
      : query.or(`input->>message.ilike.${pattern},output->>text.ilike.${pattern}`);
  }
  const rows = dataOf(await query.overrideTypes<RunSummary[], { merge: false }>());
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

/** How the given runs stand now; those that the caller may no longer see are missing. */
export async function readRunSummaries(supabase: Supabase, ids: string[]): Promise<RunSummary[]> {
  return dataOf(
    await supabase
      .from('executions')
      .select(SUMMARY)
      .in('id', ids)
      .overrideTypes<RunSummary[], { merge: false }>(),
  );
}

/** Throws `not_found` for a run that is not there or not the caller's to see. */
export async function readRun(supabase: Supabase, id: string): Promise<Run> {
  return dataOf(
    await supabase
      .from('executions')
      .select(`*,${CONTEXT}`)
      .eq('id', id)
      .single()
      .overrideTypes<Run, { merge: false }>(),
  );
}

export async function listSteps(supabase: Supabase, runId: string): Promise<RunStep[]> {
  return dataOf(
    await supabase
      .from('execution_steps')
      .select('*')
      .eq('execution_id', runId)
      .order('sequence_number'),
  );
}

/** The log lines after `afterSequence`, oldest first. */
export async function listLogs(
  supabase: Supabase,
  runId: string,
  afterSequence = 0,
): Promise<RunLog[]> {
  return dataOf(
    await supabase
      .from('execution_logs')
      .select('*')
      .eq('execution_id', runId)
      .gt('sequence_number', afterSequence)
      .order('sequence_number'),
  );
}

/** The events after `afterSeq`, in order; all of them, however many. */
export async function listEvents(
  supabase: Supabase,
  runId: string,
  afterSeq = 0,
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const page = dataOf(
      await supabase
        .from('execution_events')
        .select('seq,kind,payload')
        .eq('execution_id', runId)
        .gt('seq', events.at(-1)?.seq ?? afterSeq)
        .order('seq')
        .limit(EVENTS_PER_REQUEST)
        .overrideTypes<RunEvent[], { merge: false }>(),
    );
    events.push(...page);
    if (page.length < EVENTS_PER_REQUEST) return events;
  }
}

export type StartRun = {
  agentId: string;
  input: RunInput;
  /** Runs this version; without it the published one. */
  versionId?: string | null;
  /** Runs what is being edited; for editors of the agent. */
  draft?: boolean;
  /** The same key answers with the same run, so that a second click starts no second one. */
  idempotencyKey: string;
};

/** Queues a run and returns its id. */
export async function startRun(supabase: Supabase, start: StartRun): Promise<string> {
  const run = dataOf(
    await supabase.rpc('run_agent', {
      agent_id: start.agentId,
      input: start.input as Json,
      draft: start.draft ?? false,
      idempotency_key: start.idempotencyKey,
      ...(start.versionId && { version_id: start.versionId }),
    }),
  );
  return run.id;
}

/** Stops a run; one that has ended already stays as it is. */
export async function cancelRun(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('cancel_execution', { execution_id: id }));
}

/** Asks the same again in a new run and returns its id. */
export async function retryRun(supabase: Supabase, id: string): Promise<string> {
  const run = dataOf(await supabase.rpc('retry_execution', { execution_id: id }));
  return run.id;
}
