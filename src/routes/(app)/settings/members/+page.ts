import { listOpenInvitations } from '$lib/identity/invitations.ts';
import { listMembers } from '$lib/identity/members.ts';
import { getOrganization, isAtLeast } from '$lib/identity/organizations.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
  depends('identity:members');
  const { supabase, organization } = await parent();
  const mayManage = isAtLeast(organization.role, 'admin');
  const [members, invitations, { max_team_members: seats }] = await forPage(
    Promise.all([
      listMembers(supabase, organization.id),
      mayManage ? listOpenInvitations(supabase, organization.id) : [],
      getOrganization(supabase, organization.id),
    ]),
  );
  return { members, invitations, seats, mayManage };
};
