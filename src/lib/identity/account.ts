import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Database, TablesUpdate } from '../supabase/database.types.ts';

const PROFILE_COLUMNS = 'id, username, full_name, avatar_url, bio, company';

export type Profile = Awaited<ReturnType<typeof getProfile>>;

/** Public face of one account. */
export async function getProfile(supabase: Supabase, userId: string) {
  return dataOf(await supabase.from('profiles').select(PROFILE_COLUMNS).eq('id', userId).single());
}

/** How a person is called: the full name, else the username. */
export function displayName(profile: { full_name: string | null; username: string }): string {
  return profile.full_name || profile.username;
}

/** Changes one's own public face; `already_exists` when the username is taken. */
export async function updateProfile(
  supabase: Supabase,
  userId: string,
  changes: Pick<TablesUpdate<'profiles'>, 'username' | 'full_name' | 'bio' | 'company'>,
): Promise<Profile> {
  return dataOf(
    await supabase
      .from('profiles')
      .update(changes)
      .eq('id', userId)
      .select(PROFILE_COLUMNS)
      .single(),
  );
}

/** What only the person knows: e-mail, last sign-in, ways to sign in. */
export async function getAccount(supabase: Supabase) {
  return dataOf(await supabase.rpc('my_account').single());
}

export type Session = Omit<
  Database['public']['Functions']['my_sessions']['Returns'][number],
  'expires_at' | 'ip_address'
> & { expires_at: string | null; ip_address: string | null };

/** Where one is signed in, newest first. */
export async function listSessions(supabase: Supabase): Promise<Session[]> {
  return dataOf(await supabase.rpc('my_sessions')) as Session[];
}

/** Signs one of one's sessions out, wherever it is. */
export async function revokeSession(supabase: Supabase, sessionId: string): Promise<void> {
  dataOf(await supabase.rpc('revoke_session', { session_id: sessionId }));
}

/** Everything that the platform keeps about the caller, by section. */
export async function exportMyData(supabase: Supabase) {
  return dataOf(await supabase.rpc('export_my_data'));
}

/** Deletes the caller's account for good; refused while it is the last owner of a shared one. */
export async function deleteMyAccount(supabase: Supabase): Promise<void> {
  dataOf(await supabase.rpc('delete_my_account'));
}
