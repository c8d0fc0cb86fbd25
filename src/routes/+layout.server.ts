import { ORGANIZATION_COOKIE } from '$lib/identity/current-organization.ts';
import type { LayoutServerLoad } from './$types';

/** What universal `load` needs of the cookies while it runs on the server. */
export const load: LayoutServerLoad = ({ cookies }) => ({
  sessionCookies: cookies.getAll().filter(({ name }) => name.startsWith('sb-')),
  rememberedOrganizationId: cookies.get(ORGANIZATION_COOKIE),
});
