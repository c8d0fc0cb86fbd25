import { listSessions } from '$lib/identity/account.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('identity:sessions');
  const { supabase } = await parent();
  return { sessions: await forPage(listSessions(supabase)) };
};
