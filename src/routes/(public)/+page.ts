import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
  if ((await parent()).isSignedIn) redirect(303, '/agents');
};
