import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { OrganizationRole } from './organizations.ts';

export type Member = Awaited<ReturnType<typeof listMembers>>[number];

/** The members of an organization, the most powerful first. */
export async function listMembers(supabase: Supabase, organizationId: string) {
  return dataOf(
    await supabase
      .from('organization_members')
      .select(
        'user_id, role, created_at, profile:profiles!inner(id, username, full_name, avatar_url)',
      )
      .eq('organization_id', organizationId)
      .order('role', { ascending: false })
      .order('created_at')
      .order('user_id'),
  );
}

/** Gives a member another role. */
export async function setMemberRole(
  supabase: Supabase,
  organizationId: string,
  userId: string,
  role: OrganizationRole,
): Promise<void> {
  dataOf(
    await supabase
      .from('organization_members')
      .update({ role })
      .eq('organization_id', organizationId)
      .eq('user_id', userId)
      .select('user_id')
      .single(),
  );
}

/** Ends a membership; the person's next request is refused. */
export async function removeMember(
  supabase: Supabase,
  organizationId: string,
  userId: string,
): Promise<void> {
  dataOf(
    await supabase
      .from('organization_members')
      .delete()
      .eq('organization_id', organizationId)
      .eq('user_id', userId)
      .select('user_id')
      .single(),
  );
}
