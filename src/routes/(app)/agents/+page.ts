import {
  listAgents,
  listCategories,
  listSharedAgents,
  parseAgentSort,
  type AgentFilter,
  type AgentStatus,
  type AgentVisibility,
} from '$lib/agents/agents.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url, depends }) => {
  depends('agents:list');
  const { supabase, organization, profile } = await parent();
  const query = url.searchParams;
  const filter: AgentFilter = {
    organizationId: organization.id,
    sort: parseAgentSort(query.get('sort')),
    text: query.get('q'),
    statuses: query.getAll('status') as AgentStatus[],
    categories: query.getAll('category'),
    visibilities: query.getAll('visibility') as AgentVisibility[],
  };
  const [agents, categories, shared] = await forPage(
    Promise.all([
      listAgents(supabase, filter),
      listCategories(supabase, organization.id),
      listSharedAgents(supabase, profile.id, organization.id),
    ]),
  );
  return { filter, agents, categories, shared };
};
