import { listTokens } from '$lib/integrations/tokens.ts';
import { isAtLeast } from '$lib/identity/organizations.ts';
import { m } from '$lib/messages/messages.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('integrations:tokens');
  const { supabase, organization } = await parent();
  if (!isAtLeast(organization.role, 'admin')) {
    error(403, { message: m.errors.not_allowed.what, code: 'not_allowed' });
  }
  return { tokens: await forPage(listTokens(supabase, { organizationId: organization.id })) };
};
