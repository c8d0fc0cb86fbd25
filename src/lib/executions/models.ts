import { dataOf } from '../supabase/answer.ts';
import type { Supabase } from '../supabase/client.ts';
import type { Database } from '../supabase/database.types.ts';

export type Model = Pick<
  Database['public']['Tables']['models']['Row'],
  | 'id'
  | 'title'
  | 'context_window'
  | 'max_output_tokens'
  | 'input_usd_per_million'
  | 'output_usd_per_million'
  | 'is_offline'
>;

/** The built-in offline model: no provider, no account, no intelligence. */
export const DEMO_MODEL = 'demo/echo';

export function isDemoModel(model: string | null | undefined): boolean {
  return model === DEMO_MODEL;
}

/** The models that are offered, the offline one first: it runs without an account. */
export async function listModels(supabase: Supabase): Promise<Model[]> {
  return dataOf(
    await supabase
      .from('models')
      .select(
        'id,title,context_window,max_output_tokens,input_usd_per_million,output_usd_per_million,is_offline',
      )
      .eq('is_active', true)
      .order('is_offline', { ascending: false })
      .order('id'),
  );
}
