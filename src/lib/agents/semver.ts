export type Bump = 'major' | 'minor' | 'patch';

/**
 * The version to suggest after `current`; the first one is 1.0.0. After a pre-release, whose own
 * numbers are still to come, a patch is those numbers. The database has the last word on what may follow.
 */
export function nextVersion(current: string | null, bump: Bump): string {
  const match = /^(\d+)\.(\d+)\.(\d+)(-.+)?$/.exec(current ?? '');
  if (!match) return '1.0.0';
  const [major, minor, patch] = match.slice(1, 4).map(Number) as [number, number, number];
  if (bump === 'major') return `${major + 1}.0.0`;
  if (bump === 'minor') return `${major}.${minor + 1}.0`;
  return match[4] ? `${major}.${minor}.${patch}` : `${major}.${minor}.${patch + 1}`;
}
