import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Tables } from '../supabase/database.types.ts';
import type { OrganizationRole } from './organizations.ts';

export type Invitation = Pick<
  Tables<'organization_invitations'>,
  'id' | 'email' | 'role' | 'expires_at' | 'created_at'
>;

/** Invitations that wait for an answer, newest first; those that expired can be sent again. */
export async function listOpenInvitations(
  supabase: Supabase,
  organizationId: string,
): Promise<Invitation[]> {
  return dataOf(
    await supabase
      .from('organization_invitations')
      .select('id, email, role, expires_at, created_at')
      .eq('organization_id', organizationId)
      .is('accepted_at', null)
      .is('revoked_at', null)
      .order('created_at', { ascending: false })
      .order('id'),
  );
}

/** Holds a seat for an address and returns the token of its link, which is shown only now. */
export async function inviteMember(
  supabase: Supabase,
  organizationId: string,
  email: string,
  role: OrganizationRole,
): Promise<string> {
  const { token } = dataOf(
    await supabase.rpc('invite_member', { organization_id: organizationId, email, role }).single(),
  );
  return token;
}

/** Returns a new token, good for another week; the old link ends. */
export async function resendInvitation(supabase: Supabase, id: string): Promise<string> {
  const { token } = dataOf(await supabase.rpc('resend_invitation', { invitation_id: id }).single());
  return token;
}

/** Ends an invitation and frees its seat. */
export async function revokeInvitation(supabase: Supabase, id: string): Promise<void> {
  dataOf(await supabase.rpc('revoke_invitation', { invitation_id: id }));
}

/** Joins; returns the organization's id. */
export async function acceptInvitation(supabase: Supabase, token: string): Promise<string> {
  return dataOf(await supabase.rpc('accept_invitation', { token })).organization_id;
}
