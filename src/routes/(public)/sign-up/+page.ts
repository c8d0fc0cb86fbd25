import { nextPage } from '$lib/identity/next-page.ts';
import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
  const next = nextPage(url.searchParams.get('next'));
  const { isSignedIn } = await parent();
  if (isSignedIn) redirect(303, next);
  return { next };
};
