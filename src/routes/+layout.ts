import { createPageClient } from '$lib/supabase/client.ts';
import type { LayoutLoad } from './$types';

export const load: LayoutLoad = ({ data, fetch }) => ({
  supabase: createPageClient(fetch, data.sessionCookies),
  rememberedOrganizationId: data.rememberedOrganizationId,
});
