import { toAppError } from '../errors.ts';
import { dataOf } from '../supabase/answer.ts';
import type { Page } from '../components/data/keyset.svelte.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Database, Json } from '../supabase/database.types.ts';
import { containing, isUuid, quoted } from '../supabase/filters.ts';
import type { AgentDocument, ImportAnswer } from './import.ts';

type AgentRow = Database['public']['Tables']['agents']['Row'];
type AgentUpdate = Database['public']['Tables']['agents']['Update'];

export type AgentStatus = 'draft' | 'active' | 'paused' | 'archived';
export type AgentVisibility = 'private' | 'organization' | 'public';
/** What its runs are doing: never run, running, last one failed, or not to run at all. */
export type RuntimeStatus = 'created' | 'running' | 'stopped' | 'error';

type Known = {
  status: AgentStatus;
  visibility: AgentVisibility;
  runtime_status: RuntimeStatus;
  current_version: { id: string; version: string; created_at: string } | null;
};

/** An agent as lists show it: without its prompts, which may be long. */
export type AgentSummary = Known &
  Pick<
    AgentRow,
    | 'id'
    | 'organization_id'
    | 'name'
    | 'slug'
    | 'description'
    | 'avatar_url'
    | 'category'
    | 'model'
    | 'created_at'
    | 'updated_at'
    | 'created_by_id'
  >;

export type Agent = Omit<AgentRow, keyof Known> &
  Known & {
    /** Whether the draft differs from the version that runs; null to those who see no draft. */
    has_unpublished_changes: boolean | null;
  };

/** What the caller may do with an agent that they can read. */
export type AgentAccess = {
  can_inspect: boolean;
  can_run: boolean;
  can_edit: boolean;
  can_manage: boolean;
};

const EXTRAS =
  'runtime_status,current_version:agent_versions!agents_current_version_id_id_fkey(id,version,created_at)';
const SUMMARY = `id,organization_id,name,slug,description,avatar_url,category,model,status,visibility,
  created_at,updated_at,created_by_id,${EXTRAS}`;
const PAGE_SIZE = 50;

const SORT_COLUMNS = ['created_at', 'updated_at', 'name'] as const;
/** What a list is ordered by: a column, descending with a minus before it. */
export type AgentSort = `${'' | '-'}${(typeof SORT_COLUMNS)[number]}`;
export const DEFAULT_AGENT_SORT: AgentSort = '-created_at';

export type AgentFilter = {
  organizationId: string;
  sort?: AgentSort;
  text?: string | null;
  statuses?: AgentStatus[];
  categories?: string[];
  visibilities?: AgentVisibility[];
};

/** Reads `?sort=`; whatever is no order of ours is the newest first. */
export function parseAgentSort(text: string | null): AgentSort {
  const known = SORT_COLUMNS.some((column) => text === column || text === `-${column}`);
  return known ? (text as AgentSort) : DEFAULT_AGENT_SORT;
}

/**
 * The agents of an organization. Those of one import, which came at the same moment, stand in the
 * order of its file.
 */
export async function listAgents(
  supabase: Supabase,
  filter: AgentFilter,
  after?: Pick<AgentSummary, 'id' | 'created_at' | 'updated_at' | 'name'>,
  limit = PAGE_SIZE,
): Promise<Page<AgentSummary>> {
  const sort = filter.sort ?? DEFAULT_AGENT_SORT;
  const ascending = !sort.startsWith('-');
  const column = sort.replace('-', '') as (typeof SORT_COLUMNS)[number];
  let query = supabase
    .from('agents')
    .select(SUMMARY)
    .eq('organization_id', filter.organizationId)
    .order(column, { ascending })
    .order('id')
    .limit(limit + 1);
  if (after) {
    const value = quoted(after[column]);
    const beyond = ascending ? 'gt' : 'lt';
    query = query.or(`${column}.${beyond}.${value},and(${column}.eq.${value},id.gt.${after.id})`);
  }
  if (filter.text) {
    const pattern = containing(filter.text);
    query = query.or(`name.ilike.${pattern},description.ilike.${pattern}`);
  }
  // Archived agents show only when one asks for them.
  query = filter.statuses?.length
    ? query.in('status', filter.statuses)
    : query.neq('status', 'archived');
  if (filter.categories?.length) query = query.in('category', filter.categories);
  if (filter.visibilities?.length) query = query.in('visibility', filter.visibilities);
  const rows = dataOf(await query.overrideTypes<AgentSummary[], { merge: false }>());
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

/** The categories that an organization's agents have, in order. */
export async function listCategories(
  supabase: Supabase,
  organizationId: string,
): Promise<string[]> {
  const rows = dataOf(
    await supabase
      .from('agents')
      .select('category')
      .eq('organization_id', organizationId)
      .not('category', 'is', null),
  );
  return [...new Set(rows.flatMap(({ category }) => category ?? []))].toSorted();
}

/** The agents that people of other organizations lent to the caller, newest first. */
export async function listSharedAgents(
  supabase: Supabase,
  userId: string,
  organizationId: string,
): Promise<AgentSummary[]> {
  return dataOf(
    await supabase
      .from('agents')
      .select(`${SUMMARY},agent_shares!inner(user_id)`)
      .eq('agent_shares.user_id', userId)
      .neq('organization_id', organizationId)
      .order('created_at', { ascending: false })
      .limit(PAGE_SIZE)
      .overrideTypes<AgentSummary[], { merge: false }>(),
  );
}

/** The agent with this slug in the organization, or with this id in any. Throws `not_found`. */
export async function readAgent(
  supabase: Supabase,
  organizationId: string,
  slugOrId: string,
): Promise<Agent> {
  const query = supabase.from('agents').select(`*,has_unpublished_changes,${EXTRAS}`);
  return dataOf(
    await (
      isUuid(slugOrId)
        ? query.eq('id', slugOrId)
        : query.eq('organization_id', organizationId).eq('slug', slugOrId)
    )
      .single()
      .overrideTypes<Agent, { merge: false }>(),
  );
}

export async function readAgentAccess(supabase: Supabase, agentId: string): Promise<AgentAccess> {
  return dataOf(
    await supabase
      .from('agent_access')
      .select('can_inspect,can_run,can_edit,can_manage')
      .eq('agent_id', agentId)
      .single()
      .overrideTypes<AgentAccess, { merge: false }>(),
  );
}

export async function readAgentStats(
  supabase: Supabase,
  agentId: string,
): Promise<{ total_uses: number; fork_count: number }> {
  return dataOf(
    await supabase
      .from('agent_stats')
      .select('total_uses,fork_count')
      .eq('agent_id', agentId)
      .single()
      .overrideTypes<{ total_uses: number; fork_count: number }, { merge: false }>(),
  );
}

/** Makes an agent that is nothing but a name yet, and returns it. */
export async function createAgent(
  supabase: Supabase,
  agent: Pick<AgentRow, 'organization_id' | 'name' | 'description' | 'model'>,
): Promise<Pick<AgentRow, 'id' | 'slug' | 'organization_id'>> {
  return dataOf(
    await supabase
      .from('agents')
      .insert(agent as never)
      .select('id,slug,organization_id')
      .single(),
  );
}

export async function updateAgent(
  supabase: Supabase,
  agentId: string,
  changes: AgentUpdate,
): Promise<void> {
  dataOf(
    await supabase
      .from('agents')
      .update(changes)
      .eq('id', agentId)
      // Without the row that comes back, an update that touched nothing would look like a success.
      .select('id')
      .single(),
  );
}

/** Changes the status of several at once; those whose status cannot follow stay as they are. */
export async function setAgentStatus(
  supabase: Supabase,
  agentIds: string[],
  status: AgentStatus,
): Promise<void> {
  dataOf(await supabase.from('agents').update({ status }).in('id', agentIds));
}

/** Hides agents; {@link restoreAgents} brings them back within thirty days. */
export async function deleteAgents(supabase: Supabase, agentIds: string[]): Promise<void> {
  await Promise.all(
    agentIds.map(async (agent_id) => {
      dataOf(await supabase.rpc('delete_agent', { agent_id }));
    }),
  );
}

export async function restoreAgents(supabase: Supabase, agentIds: string[]): Promise<void> {
  await Promise.all(
    agentIds.map(async (agent_id) => {
      dataOf(await supabase.rpc('restore_agent', { agent_id }));
    }),
  );
}

/** Copies an agent into an organization as a private draft of the caller's. */
export async function forkAgent(
  supabase: Supabase,
  agentId: string,
  organizationId: string,
): Promise<Pick<AgentRow, 'id' | 'slug' | 'organization_id' | 'name'>> {
  return dataOf(
    await supabase.rpc('fork_agent', { agent_id: agentId, organization_id: organizationId }),
  );
}

/** The agent as a document that can be imported here or elsewhere; secrets are references in it. */
export async function exportAgent(supabase: Supabase, agentId: string): Promise<Json> {
  return dataOf(await supabase.rpc('export_agent', { agent_id: agentId }));
}

/** Addresses under /agents that are pages of their own; an agent of that name goes by its id. */
const RESERVED_SLUGS = new Set(['new', 'import']);

/** The address of an agent's page; by slug only within the organization that one is looking at. */
export function agentPath(
  agent: Pick<AgentRow, 'id' | 'slug' | 'organization_id'>,
  organizationId: string,
  tab = '',
): string {
  const bySlug = agent.organization_id === organizationId && !RESERVED_SLUGS.has(agent.slug);
  return `/agents/${bySlug ? agent.slug : agent.id}${tab && `/${tab}`}`;
}

/** How many agents an organization has, and how many its plan allows. */
export async function readAgentQuota(
  supabase: Supabase,
  organizationId: string,
): Promise<{ used: number; limit: number }> {
  const [organization, { count, error }] = await Promise.all([
    supabase.from('organizations').select('max_agents').eq('id', organizationId).single(),
    supabase
      .from('agents')
      .select('id', { count: 'exact', head: true })
      .eq('organization_id', organizationId),
  ]);
  if (error) throw toAppError(error);
  return { used: count ?? 0, limit: dataOf(organization).max_agents };
}

/** Makes agents of documents, at most 500 at once; answers in their order what became of each. */
export async function importAgents(
  supabase: Supabase,
  organizationId: string,
  documents: AgentDocument[],
): Promise<ImportAnswer[]> {
  return dataOf(
    await supabase.rpc('import_agents', {
      organization_id: organizationId,
      documents: documents as Json,
    }),
  );
}

/** What an agent is called; null when the caller may not see it or it is gone. */
export async function readAgentName(
  supabase: Supabase,
  agentId: string,
): Promise<{ name: string } | null> {
  const [agent] = dataOf(await supabase.from('agents').select('name').eq('id', agentId));
  return agent ?? null;
}
