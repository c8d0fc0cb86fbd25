const HERE = 'http://here.invalid';

/**
 * Where to go after signing in. `?next=` comes from outside: anything but a path of our own is
 * dropped, as browsers read it, so that `//evil.example`, `/\evil.example` and `/.//evil.example`
 * do not lead away.
 */
export function nextPage(wanted: string | null, otherwise = '/agents'): string {
  if (!wanted?.startsWith('/')) return otherwise;
  const url = URL.parse(wanted, HERE);
  if (url?.origin !== HERE || url.pathname.startsWith('//')) return otherwise;
  return `${url.pathname}${url.search}${url.hash}`;
}
