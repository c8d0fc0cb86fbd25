import { exportAgent } from '$lib/agents/agents.ts';
import type { Supabase } from '$lib/supabase/client.ts';

/** Hands the agent's document to the browser as `<slug>.json`. */
export async function downloadAgent(
  supabase: Supabase,
  agent: { id: string; slug: string },
): Promise<void> {
  const document_ = JSON.stringify(await exportAgent(supabase, agent.id), null, 2);
  const url = URL.createObjectURL(new Blob([document_], { type: 'application/json' }));
  const link = Object.assign(document.createElement('a'), {
    href: url,
    download: `${agent.slug}.json`,
  });
  link.click();
  URL.revokeObjectURL(url);
}
