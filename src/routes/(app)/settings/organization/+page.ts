import { listMembers } from '$lib/identity/members.ts';
import { getOrganization } from '$lib/identity/organizations.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
  const { supabase, organization } = await parent();
  const [details, members] = await forPage(
    Promise.all([
      getOrganization(supabase, organization.id),
      listMembers(supabase, organization.id),
    ]),
  );
  return { details, members };
};
