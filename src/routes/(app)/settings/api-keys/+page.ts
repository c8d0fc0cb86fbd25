import { listApiKeys } from '$lib/identity/api-keys.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('identity:api-keys');
  const { supabase, organization } = await parent();
  return { apiKeys: await forPage(listApiKeys(supabase, organization.id)) };
};
