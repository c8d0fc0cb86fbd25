import { getAccount } from '$lib/identity/account.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
  const { supabase } = await parent();
  return { account: await forPage(getAccount(supabase)) };
};
