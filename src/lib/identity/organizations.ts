import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';

export type OrganizationRole = 'viewer' | 'member' | 'admin' | 'owner';

export type Organization = {
  id: string;
  name: string;
  slug: string;
  logo_url: string | null;
  is_personal: boolean;
};

/** An organization as one of its members sees it. */
export type Membership = Organization & { role: OrganizationRole };

const RANKS: OrganizationRole[] = ['viewer', 'member', 'admin', 'owner'];

/** Whether a role reaches another: an admin may what a member may. */
export function isAtLeast(role: OrganizationRole, minimum: OrganizationRole): boolean {
  return RANKS.indexOf(role) >= RANKS.indexOf(minimum);
}

/** Everything a person belongs to: the personal organization first, then by name. */
export async function listMemberships(supabase: Supabase, userId: string): Promise<Membership[]> {
  const rows = dataOf(
    await supabase
      .from('organization_members')
      .select('role, organization:organizations!inner(id, name, slug, logo_url, is_personal)')
      .eq('user_id', userId)
  );
  return (rows as { role: OrganizationRole; organization: Organization }[])
    .map(({ role, organization }) => ({ ...organization, role }))
    .sort(
      (a, b) => Number(b.is_personal) - Number(a.is_personal) || a.name.localeCompare(b.name, 'en')
    );
}
