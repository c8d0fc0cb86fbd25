import { listParameters } from '$lib/agents/parameters.ts';
import { listVersions } from '$lib/agents/versions.ts';
import { readAgentStats } from '$lib/agents/agents.ts';
import { listRuns } from '$lib/executions/executions.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

const RECENT_RUNS = 8;

export const load: PageLoad = async ({ parent }) => {
  const { supabase, agent } = await parent();
  const [versions, parameters, runs, stats] = await forPage(
    Promise.all([
      listVersions(supabase, agent.id),
      listParameters(supabase, agent.id),
      listRuns(
        supabase,
        { organizationId: agent.organization_id, agentId: agent.id },
        undefined,
        RECENT_RUNS,
      ),
      readAgentStats(supabase, agent.id),
    ]),
  );
  return { versions, parameters, runs, stats };
};
