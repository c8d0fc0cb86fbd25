/** `https://host:port` of an address that is one of an HTTP server; undefined of any other. */
export function httpOrigin(address: string): string | undefined {
  const url = URL.parse(address);
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

/**
 * Whether an operator's list names the origin.
 *
 * @param list addresses separated by commas, of which the origins count; `*` names every one
 */
export function allowsOrigin(list: string | undefined, origin: string): boolean {
  const entries = (list ?? '').split(',').map((entry) => entry.trim());
  return entries.some((entry) => entry === '*' || httpOrigin(entry) === origin);
}
