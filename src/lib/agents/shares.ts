import { AppError } from '../errors.ts';
import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';

export type SharePermission = 'use' | 'edit';

export type Share = {
  user_id: string;
  permission: SharePermission;
  person: { username: string; full_name: string | null; avatar_url: string | null };
};

export async function listShares(supabase: Supabase, agentId: string): Promise<Share[]> {
  return dataOf(
    await supabase
      .from('agent_shares')
      .select('user_id,permission,person:profiles(username,full_name,avatar_url)')
      .eq('agent_id', agentId)
      .order('created_at')
      .overrideTypes<Share[], { merge: false }>(),
  );
}

/** Lends the agent to the person with this username. Throws `person_not_found`. */
export async function shareAgent(
  supabase: Supabase,
  agentId: string,
  username: string,
  permission: SharePermission,
): Promise<void> {
  const [person] = dataOf(
    await supabase.from('profiles').select('id').eq('username', username.toLowerCase()),
  );
  if (!person) throw new AppError('person_not_found', 'Nobody has this username.', { status: 404 });
  dataOf(
    await supabase
      .from('agent_shares')
      .insert({ agent_id: agentId, user_id: person.id, permission }),
  );
}

export async function changeShare(
  supabase: Supabase,
  agentId: string,
  userId: string,
  permission: SharePermission,
): Promise<void> {
  dataOf(
    await supabase
      .from('agent_shares')
      .update({ permission })
      .eq('agent_id', agentId)
      .eq('user_id', userId),
  );
}

export async function endShare(supabase: Supabase, agentId: string, userId: string): Promise<void> {
  dataOf(
    await supabase.from('agent_shares').delete().eq('agent_id', agentId).eq('user_id', userId),
  );
}
