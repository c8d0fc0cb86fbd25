import { lookup, Resolver } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

export type Address = { address: string; family: 4 | 6 };

/** A host that strangers may not make the worker call. `message` is for whoever named it. */
export class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress';
}

/**
 * Where a host is, all of it on the public internet. Whoever asks connects to these very addresses: a
 * name that is looked up again may lead elsewhere by then (DNS rebinding).
 *
 * @param hostname a name or an address, the latter as URLs have it, in brackets if it is IPv6
 * @param signal ends the waiting
 * @throws PrivateAddress when any address of it is not public; the resolver's error; the signal's reason
 */
export async function findPublicHost(hostname: string, signal: AbortSignal): Promise<Address[]> {
  const host = bare(hostname);
  const addresses = isIP(host) ? [host] : await unlessAborted(signal, resolvePublicName(host));
  const found = addresses.map(withFamily);
  if (!found.every(isPublic)) throw new PrivateAddress(INSIDE);
  return found;
}

/** Where a host is, wherever that is, names of this machine's own included. Otherwise the same. */
export async function findHost(hostname: string, signal: AbortSignal): Promise<Address[]> {
  const found = await unlessAborted(signal, lookup(bare(hostname), { all: true }));
  return found.map(({ address }) => withFamily(address));
}

const INSIDE = 'The address lies inside a private network.';

/**
 * Asks name servers alone, without the threads that the whole process shares for everything that the
 * system looks up: a few names of strangers whose servers are silent would keep all of them waiting.
 */
async function resolvePublicName(name: string): Promise<string[]> {
  if (/(^|\.)localhost\.?$/i.test(name)) throw new PrivateAddress(INSIDE);
  const [v4, v6] = await Promise.allSettled([RESOLVER.resolve4(name), RESOLVER.resolve6(name)]);
  const addresses = [v4, v6].flatMap((answer) =>
    answer.status === 'fulfilled' ? answer.value : [],
  );
  if (addresses.length > 0) return addresses;
  throw (v4 as PromiseRejectedResult).reason;
}

const RESOLVER = new Resolver({ timeout: 5000, tries: 1 });

function unlessAborted<T>(signal: AbortSignal, found: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    found.then(resolve, reject);
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function withFamily(address: string): Address {
  return { address, family: isIP(address) as 4 | 6 };
}

function isPublic({ address, family }: Address): boolean {
  return family === 4
    ? !SPECIAL.check(address, 'ipv4')
    : GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
}

// IANA's special-purpose registries. Of IPv6 only 2000::/3 is handed out for the public internet, which
// also leaves out IPv4 in disguise (::ffff:0:0/96, 64:ff9b::/96).
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');

const SPECIAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(network, prefix, 'ipv6');
}
