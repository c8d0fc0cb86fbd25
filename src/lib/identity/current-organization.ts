import type { Membership } from './organizations.ts';

/** Remembers, for each device, the organization that one worked in last. */
export const ORGANIZATION_COOKIE = 'organization';

/** The remembered organization while one is a member of it; else the personal one, which comes first. */
export function currentOrganization(
  memberships: Membership[],
  remembered: string | undefined,
): Membership | undefined {
  return memberships.find(({ id }) => id === remembered) ?? memberships[0];
}
