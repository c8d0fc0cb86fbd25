import { nextPage } from '$lib/identity/next-page.ts';
import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
  const next = nextPage(url.searchParams.get('next'));
  const reason = url.searchParams.get('reason');
  const { isSignedIn } = await parent();
  // With a reason the session in the cookie is one that the server refused.
  if (isSignedIn && !reason) redirect(303, next);
  return { next, reason };
};
