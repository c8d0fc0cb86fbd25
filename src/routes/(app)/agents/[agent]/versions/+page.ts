import { listParameters } from '$lib/agents/parameters.ts';
import { listVariables } from '$lib/agents/variables.ts';
import { listVersions, readVersion, type AgentDefinition } from '$lib/agents/versions.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import type { PageLoad } from './$types';

/** In the address, what stands for the draft where otherwise the id of a version stands. */
const DRAFT = 'draft';

export const load: PageLoad = async ({ parent, url, depends }) => {
  depends('agents:versions');
  const { supabase, agent, access } = await parent();
  const versions = await forPage(listVersions(supabase, agent.id));

  const readDraft = async (): Promise<AgentDefinition> => {
    const [parameters, variables] = await Promise.all([
      listParameters(supabase, agent.id),
      listVariables(supabase, agent.id),
    ]);
    return { ...agent, parameters, variables };
  };
  const known = (id: string | null) =>
    id === DRAFT || versions.some((version) => version.id === id) ? id : null;
  const after = known(url.searchParams.get('after')) ?? (access.can_edit ? DRAFT : versions[0]?.id);
  const before =
    known(url.searchParams.get('before')) ??
    (after === DRAFT
      ? versions[0]?.id
      : versions[versions.findIndex(({ id }) => id === after) + 1]?.id);

  const read = (id: string | undefined) =>
    id === undefined ? null : id === DRAFT ? readDraft() : readVersion(supabase, id);
  const [beforeDefinition, afterDefinition] = await forPage(
    Promise.all([read(before), read(after)]),
  );
  return { versions, before, after, beforeDefinition, afterDefinition };
};
