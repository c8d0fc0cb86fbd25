import { expect, test } from 'vitest';
import { findHost, findPublicHost } from '../../src/worker/public-address.ts';

const signal = AbortSignal.timeout(60_000);

test.each([
  ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
  ...['[::1]', '[::]', '[fe80::1]', '[fd00::1]', '[ff02::1]', '[2001:db8::1]', '[2002:7f00:1::]'],
  ...['[::ffff:127.0.0.1]', '[::ffff:8.8.8.8]', '[64:ff9b::7f00:1]', 'localhost', 'x.localhost.'],
])('%s is not public', async (host) => {
  await expect(findPublicHost(host, signal)).rejects.toThrow('private network');
});

test.each(['8.8.8.8', '172.32.0.1', '[2606:4700:4700::1111]'])('%s is public', async (host) => {
  const [found] = await findPublicHost(host, signal);
  expect(found?.address).toBe(host.replace(/[[\]]/g, ''));
});

test('spellings of an address that only URLs understand come as the address', async () => {
  for (const spelling of ['http://0x7f.1', 'http://2130706433']) {
    const { hostname } = new URL(spelling);
    await expect(findPublicHost(hostname, signal)).rejects.toThrow('private');
  }
});

test('where the operator allows it, a private host is found', async () => {
  expect(await findHost('[::1]', signal)).toEqual([{ address: '::1', family: 6 }]);
  expect(await findHost('localhost', signal)).not.toEqual([]);
});

test.each([findHost, findPublicHost])('%o waits for a name no longer than it may', async (find) => {
  const reason = new Error('too long');
  await expect(find('slow.invalid', AbortSignal.abort(reason))).rejects.toBe(reason);
});
