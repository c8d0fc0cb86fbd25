import { listShares } from '$lib/agents/shares.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('agents:shares');
  const { supabase, agent, access } = await parent();
  if (!access.can_manage) error(403, { message: '', code: 'not_allowed' });
  return { shares: await forPage(listShares(supabase, agent.id)) };
};
