import { toAppError } from '$lib/errors.ts';
import { getProfile } from '$lib/identity/account.ts';
import { currentOrganization } from '$lib/identity/current-organization.ts';
import { listMemberships } from '$lib/identity/organizations.ts';
import { signedInUserId } from '$lib/supabase/session.ts';
import { error, redirect } from '@sveltejs/kit';
import type { LayoutLoad } from './$types';

/** Guards every page of the app, and says who works in which organization. */
export const load: LayoutLoad = async ({ parent, url, untrack }) => {
  const { supabase, rememberedOrganizationId } = await parent();
  const here = encodeURIComponent(untrack(() => `${url.pathname}${url.search}`));
  const userId = await signedInUserId(supabase);
  if (!userId) redirect(303, `/sign-in?next=${here}`);

  const [profile, memberships] = await Promise.all([
    getProfile(supabase, userId),
    listMemberships(supabase, userId),
  ]).catch((thrown: unknown) => {
    const refused = toAppError(thrown);
    if (refused.status === 401 || refused.code === 'account_deactivated') {
      redirect(303, `/sign-in?reason=${refused.code}&next=${here}`);
    }
    error(refused.status >= 400 ? refused.status : 503, {
      message: refused.message,
      code: refused.code,
    });
  });

  const organization = currentOrganization(memberships, rememberedOrganizationId);
  // Everybody has a personal organization, unless an operator took it away by hand.
  if (!organization) error(404, { message: '', code: 'organization_not_found' });
  return { profile, memberships, organization };
};
