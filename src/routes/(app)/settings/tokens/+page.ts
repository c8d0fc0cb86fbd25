import { listTokens } from '$lib/integrations/tokens.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('integrations:tokens');
  const { supabase, profile } = await parent();
  return { tokens: await forPage(listTokens(supabase, { userId: profile.id })) };
};
