import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Enums, Tables } from '../supabase/database.types.ts';

export type OrganizationRole = Enums<'org_role'>;

export type Organization = Pick<
  Tables<'organizations'>,
  'id' | 'name' | 'slug' | 'logo_url' | 'is_personal'
>;

/** An organization as one of its members sees it. */
export type Membership = Organization & { role: OrganizationRole };

const ROLES: OrganizationRole[] = ['viewer', 'member', 'admin', 'owner'];

/** Whether a role reaches another: an admin may what a member may. */
export function isAtLeast(role: OrganizationRole, minimum: OrganizationRole): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(minimum);
}

/** The roles that somebody may give: only an owner makes an owner, and of a personal organization nobody. */
export function grantableRoles({ role, is_personal }: Membership): OrganizationRole[] {
  return role === 'owner' && !is_personal ? ROLES : ROLES.slice(0, -1);
}

/** Everything a person belongs to: the personal organization first, then by name. */
export async function listMemberships(supabase: Supabase, userId: string): Promise<Membership[]> {
  const rows = dataOf(
    await supabase
      .from('organization_members')
      .select('role, organization:organizations!inner(id, name, slug, logo_url, is_personal)')
      .eq('user_id', userId),
  );
  return rows
    .map(({ role, organization }) => ({ ...organization, role }))
    .sort(
      (a, b) => Number(b.is_personal) - Number(a.is_personal) || a.name.localeCompare(b.name, 'en'),
    );
}

/** An organization with its limits and budget. */
export async function getOrganization(supabase: Supabase, id: string) {
  return dataOf(
    await supabase
      .from('organizations')
      .select(
        'id, name, slug, logo_url, is_personal, plan, max_agents, max_executions_per_month, max_team_members, monthly_budget_usd, created_at',
      )
      .eq('id', id)
      .single(),
  );
}

/** Makes an organization with the caller as its owner; without a slug one is made of the name. */
export async function createOrganization(
  supabase: Supabase,
  name: string,
  slug?: string,
): Promise<Tables<'organizations'>> {
  return dataOf(await supabase.rpc('create_organization', { name, ...(slug ? { slug } : {}) }));
}

/** Changes what admins may change, and as an owner the budget. */
export async function updateOrganization(
  supabase: Supabase,
  id: string,
  changes: { name?: string; slug?: string; monthly_budget_usd?: number | null },
): Promise<void> {
  dataOf(await supabase.from('organizations').update(changes).eq('id', id).select('id').single());
}

/** Hides an organization from all its members; it can be restored for 30 days. */
export async function deleteOrganization(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('delete_organization', { organization_id: id }));
}

/** Takes a deletion back. */
export async function restoreOrganization(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('restore_organization', { organization_id: id }));
}

/** Ends one's own membership; refused to the last owner. */
export async function leaveOrganization(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('leave_organization', { organization_id: id }));
}

/** Makes another member the owner and the caller an admin. */
export async function transferOwnership(
  supabase: Supabase,
  id: string,
  userId: string,
): Promise<void> {
  dataOf(await supabase.rpc('transfer_ownership', { organization_id: id, user_id: userId }));
}
