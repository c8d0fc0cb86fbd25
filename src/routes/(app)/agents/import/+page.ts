import { readAgentQuota } from '$lib/agents/agents.ts';
import { isAtLeast } from '$lib/identity/organizations.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
  const { supabase, organization } = await parent();
  if (!isAtLeast(organization.role, 'member')) error(403, { message: '', code: 'not_allowed' });
  return { quota: await forPage(readAgentQuota(supabase, organization.id)) };
};
