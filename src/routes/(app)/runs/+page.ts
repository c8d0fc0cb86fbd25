import { readAgentName } from '$lib/agents/agents.ts';
import { listVersions } from '$lib/agents/versions.ts';
import {
  listRuns,
  type RunFilter,
  type RunStatus,
  type TriggerSource,
} from '$lib/executions/executions.ts';
import { isUuid } from '$lib/supabase/filters.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { dayRange } from './day-range.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
  const { supabase, organization } = await parent();
  const query = url.searchParams;
  const idOf = (name: string) => {
    const value = query.get(name);
    return value && isUuid(value) ? value : null;
  };
  const filter: RunFilter = {
    organizationId: organization.id,
    statuses: query.getAll('status') as RunStatus[],
    sources: query.getAll('source') as TriggerSource[],
    agentId: idOf('agent'),
    versionId: idOf('version'),
    text: query.get('q'),
    ...dayRange(query.get('from'), query.get('to')),
  };
  const [runs, agent, versions] = await forPage(
    Promise.all([
      listRuns(supabase, filter),
      filter.agentId ? readAgentName(supabase, filter.agentId) : null,
      filter.agentId ? listVersions(supabase, filter.agentId) : [],
    ]),
  );
  return { filter, runs, agent, versions };
};
