import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Database } from '../supabase/database.types.ts';
import { parseParameters, type Parameter } from './parameters.ts';
import type { Variable } from './variables.ts';

type VersionRow = Database['public']['Tables']['agent_versions']['Row'];

/** A published version as the history shows it: without its prompts. */
export type VersionSummary = Pick<
  VersionRow,
  'id' | 'revision_name' | 'changelog' | 'created_at'
> & {
  version: string;
  version_number: number;
  created_by: { full_name: string | null; username: string } | null;
};

/** What an agent is made of, whether it stands in the draft or in a version. */
export type AgentDefinition = {
  name: string;
  model: string;
  temperature: number | null;
  max_tokens: number | null;
  system_prompt: string;
  user_prompt_template: string | null;
  parameters: Parameter[];
  variables: Variable[];
};

export type Version = VersionSummary & AgentDefinition;

const SUMMARY = `id,version,version_number,revision_name,changelog,created_at,
  created_by:profiles!agent_versions_created_by_id_fkey(full_name,username)`;

/** The published versions of an agent, newest first. */
export async function listVersions(supabase: Supabase, agentId: string): Promise<VersionSummary[]> {
  return dataOf(
    await supabase
      .from('agent_versions')
      .select(SUMMARY)
      .eq('agent_id', agentId)
      .eq('is_published', true)
      .order('version_number', { ascending: false })
      .overrideTypes<VersionSummary[], { merge: false }>(),
  );
}

/** A version with all that it is made of; also one that froze a draft for a run. */
export async function readVersion(supabase: Supabase, versionId: string): Promise<Version> {
  const data = dataOf(
    await supabase
      .from('agent_versions')
      .select(
        `${SUMMARY},name,model,temperature,max_tokens,system_prompt,user_prompt_template,parameters,variables`,
      )
      .eq('id', versionId)
      .single()
      .overrideTypes<Version, { merge: false }>(),
  );
  return { ...data, parameters: parseParameters(data.parameters) };
}

export type Publication = { version: string; changelog: string; revisionName: string };

/** Freezes the draft as the next version and makes it the one that runs. */
export async function publishVersion(
  supabase: Supabase,
  agentId: string,
  publication: Publication,
): Promise<string> {
  const version = dataOf(
    await supabase.rpc('publish_agent_version', {
      agent_id: agentId,
      version: publication.version,
      ...(publication.changelog && { changelog: publication.changelog }),
      ...(publication.revisionName && { revision_name: publication.revisionName }),
    }),
  );
  return version.version!;
}

/** Copies a version into the draft; what runs stays as it is until the draft is published. */
export async function restoreVersion(supabase: Supabase, versionId: string): Promise<void> {
  dataOf(await supabase.rpc('restore_agent_version', { agent_version_id: versionId }));
}
