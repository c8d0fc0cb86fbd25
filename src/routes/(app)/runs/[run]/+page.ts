import { readSnapshot } from '$lib/executions/live-run.svelte.ts';
import { isUuid } from '$lib/supabase/filters.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, params }) => {
  if (!isUuid(params.run)) error(404, { message: '', code: 'not_found' });
  const { supabase } = await parent();
  return { snapshot: await forPage(readSnapshot(supabase, params.run)) };
};
