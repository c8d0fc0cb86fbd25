import { signedInUserId } from '$lib/supabase/session.ts';
import type { LayoutLoad } from './$types';

export const load: LayoutLoad = async ({ parent }) => {
  const { supabase } = await parent();
  return { isSignedIn: (await signedInUserId(supabase)) !== null };
};
