import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';

export type Profile = {
  id: string;
  username: string;
  full_name: string | null;
  avatar_url: string | null;
  bio: string | null;
  company: string | null;
};

const PROFILE_COLUMNS = 'id, username, full_name, avatar_url, bio, company';

/** Public face of one account. */
export async function getProfile(supabase: Supabase, userId: string): Promise<Profile> {
  return dataOf(
    await supabase.from('profiles').select(PROFILE_COLUMNS).eq('id', userId).single()
  );
}

/** How a person is called: the full name, else the username. */
export function displayName(profile: Pick<Profile, 'full_name' | 'username'>): string {
  return profile.full_name || profile.username;
}
