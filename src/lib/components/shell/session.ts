import type { Profile } from '$lib/identity/account.ts';
import type { Membership } from '$lib/identity/organizations.ts';

/** Who is signed in, where they belong, and which of it they work in now. */
export type ShellSession = {
  profile: Profile;
  memberships: Membership[];
  organization: Membership;
};
