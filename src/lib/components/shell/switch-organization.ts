import { invalidateAll } from '$app/navigation';
import { ORGANIZATION_COOKIE } from '$lib/identity/current-organization.ts';

const A_YEAR_S = 365 * 24 * 60 * 60;

/** Makes an organization the one that every list is about, on this device, from now on. */
export async function switchOrganization(id: string): Promise<void> {
  document.cookie = `${ORGANIZATION_COOKIE}=${id}; path=/; max-age=${A_YEAR_S}; samesite=lax`;
  await invalidateAll();
}
