import { readAgent, readAgentAccess } from '$lib/agents/agents.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { LayoutLoad } from './$types';

export const load: LayoutLoad = async ({ parent, params, depends }) => {
  depends('agents:one');
  const { supabase, organization } = await parent();
  const agent = await forPage(readAgent(supabase, organization.id, params.agent));
  return { agent, access: await forPage(readAgentAccess(supabase, agent.id)) };
};
