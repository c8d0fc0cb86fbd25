import { lookup } from 'node:dns/promises';
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
 * @throws PrivateAddress when any address of it is not public; the resolver's error
 */
export async function findPublicHost(hostname: string): Promise<Address[]> {
  const addresses = await findHost(hostname);
  if (!addresses.every(isPublic)) {
    throw new PrivateAddress('The address lies inside a private network.');
  }
  return addresses;
}

/** Where a host is, wherever that is. */
export async function findHost(hostname: string): Promise<Address[]> {
  const found = await lookup(hostname.replace(/^\[|\]$/g, ''), { all: true });
  return found.map(({ address }) => ({ address, family: isIP(address) as 4 | 6 }));
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
