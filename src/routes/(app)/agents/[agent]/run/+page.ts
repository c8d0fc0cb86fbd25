import { listParameters } from '$lib/agents/parameters.ts';
import { listVersions, readVersion } from '$lib/agents/versions.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
  const { supabase, agent, access } = await parent();
  if (!access.can_run) error(403, { message: '', code: 'not_allowed' });
  const versions = await forPage(listVersions(supabase, agent.id));

  // What runs: the version in the address, else the current one, else the draft.
  const wanted = url.searchParams.get('version');
  const version =
    versions.find(({ id }) => id === wanted) ??
    (wanted === 'draft' && access.can_edit
      ? undefined
      : versions.find(({ id }) => id === agent.current_version_id));
  const definition = version ? await forPage(readVersion(supabase, version.id)) : null;
  const { model, user_prompt_template: template } = definition ?? agent;
  return {
    versions,
    versionId: version?.id ?? null,
    parameters: definition?.parameters ?? (await forPage(listParameters(supabase, agent.id))),
    model,
    template: template ?? '',
  };
};
