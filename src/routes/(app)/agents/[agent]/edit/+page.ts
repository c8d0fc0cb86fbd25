import { listCategories } from '$lib/agents/agents.ts';
import { listParameters } from '$lib/agents/parameters.ts';
import { listVariables } from '$lib/agents/variables.ts';
import { listModels } from '$lib/executions/models.ts';
import { forPage } from '$lib/supabase/page-error.ts';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
  const { supabase, agent, access } = await parent();
  if (!access.can_edit) error(403, { message: '', code: 'not_allowed' });
  const [parameters, variables, models, categories] = await forPage(
    Promise.all([
      listParameters(supabase, agent.id),
      listVariables(supabase, agent.id),
      listModels(supabase),
      listCategories(supabase, agent.organization_id),
    ]),
  );
  return { parameters, variables, models, categories };
};
