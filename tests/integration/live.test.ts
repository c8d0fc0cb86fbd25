import { randomUUID } from 'node:crypto';
import type { RealtimeChannel } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { WebSocket } from 'ws';
import { signToken } from '../../src/stack/jwt.ts';
import { type Client, type Person, signUp, visitor } from '../support/stack.ts';

const sql = postgres(inject('databaseUrl'), { max: 2, onnotice() {} });
// Channels of this run: people hear and use the one that has their id; all may hear the second kind.
const prefix = `test-${randomUUID().slice(0, 8)}`;
const own = (person: Person) => `${prefix}:own:${person.id}`;
const heard = () => `${prefix}:heard:${randomUUID()}`;

let person: Person;
let stranger: Person;
const clients: Client[] = [];

beforeAll(async () => {
  [person, stranger] = await Promise.all([signUp('listener'), signUp('stranger')]);
  const rule = `(select realtime.topic()) = '${prefix}:own:' || (select auth.uid())`;
  await sql.unsafe(`
    create policy "${prefix}-hear" on realtime.messages for select to authenticated
      using (${rule} or (select realtime.topic()) like '${prefix}:heard:%');
    create policy "${prefix}-send" on realtime.messages for insert to authenticated
      with check (${rule})`);
});
afterEach(async () => {
  for (const client of [person.client, stranger.client, ...clients.splice(0)]) {
    await client.removeAllChannels();
  }
});
afterAll(async () => {
  for (const { client } of [person, stranger]) client.realtime.disconnect();
  await sql.unsafe(`
    drop policy "${prefix}-hear" on realtime.messages;
    drop policy "${prefix}-send" on realtime.messages`);
  await sql.end();
});

describe('a public channel', () => {
  it('carries what its members send, by socket and by HTTP, to the others', async () => {
    const topic = heard();
    const listener = await listen(guest(), topic);
    const sender = await listen(guest(), topic, { broadcast: { ack: true } });
    await sender.channel.send({ type: 'broadcast', event: 'note', payload: { text: 'Zoë 🎉' } });
    await sender.channel.httpSend('note', { text: 'by HTTP' });
    await expect.poll(() => listener.messages).toEqual([{ text: 'Zoë 🎉' }, { text: 'by HTTP' }]);
    // What came by HTTP has no sender to leave out.
    expect(sender.messages).toEqual([{ text: 'by HTTP' }]);
  });

  it('carries bytes', async () => {
    const topic = heard();
    const listener = await listen(guest(), topic);
    const sender = await listen(guest(), topic, { broadcast: { ack: true } });
    const bytes = new Uint8Array([0, 1, 255]).buffer;
    await sender.channel.send({ type: 'broadcast', event: 'raw', payload: bytes as never });
    await expect.poll(() => listener.messages).toHaveLength(1);
    expect(new Uint8Array(listener.messages[0] as ArrayBuffer)).toEqual(
      new Uint8Array([0, 1, 255]),
    );
  });

  it('gives a sender its own messages when it asks for them', async () => {
    const { channel, messages } = await listen(guest(), heard(), { broadcast: { self: true } });
    await channel.send({ type: 'broadcast', event: 'note', payload: { n: 1 } });
    await expect.poll(() => messages).toEqual([{ n: 1 }]);
  });

  it('is another channel than the private one of its name', async () => {
    const topic = heard();
    const open = await listen(guest(), topic);
    const closed = await listen(person.client, topic, { private: true });
    await sql`select realtime.send('{"n": 1}', 'note', ${topic}, true)`;
    await sql`select realtime.send('{"n": 2}', 'note', ${topic}, false)`;
    await expect.poll(() => [open.messages, closed.messages]).toEqual([[{ n: 2 }], [{ n: 1 }]]);
  });
});

describe('a private channel', () => {
  it('opens to those whom the policies let read, and to nobody else', async () => {
    await listen(person.client, own(person), { private: true });
    for (const client of [stranger.client, guest()]) {
      await expect(listen(client, own(person), { private: true })).rejects.toThrow(
        /permissions to read/,
      );
    }
  });

  it('takes messages only from those whom the policies let write', async () => {
    const writer = await listen(person.client, own(person), {
      private: true,
      broadcast: { self: true, ack: true },
    });
    expect(await writer.channel.send({ type: 'broadcast', event: 'note', payload: { n: 1 } })).toBe(
      'ok',
    );
    await expect.poll(() => writer.messages).toEqual([{ n: 1 }]);

    const topic = heard();
    const reader = await listen(person.client, topic, { private: true, broadcast: { ack: true } });
    const other = await listen(stranger.client, topic, { private: true });
    expect(await reader.channel.send({ type: 'broadcast', event: 'note', payload: {} })).toBe(
      'error',
    );
    await expect(reader.channel.httpSend('note', {})).rejects.toThrow(/permissions to send/);
    await sql`select realtime.send('{"n": "last"}', 'note', ${topic})`;
    await expect.poll(() => other.messages).toEqual([{ n: 'last' }]);
  });

  it('delivers what SQL sends, in order, once the transaction commits', async () => {
    const { messages } = await listen(person.client, own(person), { private: true });
    await expect(
      sql.begin(async (tx) => {
        await tx`select realtime.send('{"n": "rolled back"}', 'note', ${own(person)})`;
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    await sql.begin(async (tx) => {
      for (let n = 0; n < 300; n++) {
        await tx`select realtime.send(${tx.json({ n })}, 'note', ${own(person)})`;
      }
    });
    for (let n = 300; n < 500; n++) {
      await sql`select realtime.send(${sql.json({ n })}, 'note', ${own(person)})`;
    }
    await expect.poll(() => messages.length).toBe(500);
    expect(messages).toEqual(Array.from({ length: 500 }, (_, n) => ({ n })));
  });

  it('leaves no trace of having asked the policies', async () => {
    const topic = heard();
    await listen(person.client, topic, { private: true });
    expect(await sql`select from realtime.messages where topic = ${topic}`).toHaveLength(0);
  });

  it.each([
    [
      'forged',
      () =>
        signToken(
          { sub: person.id, role: 'authenticated' },
          'another secret, as long as the true one',
          60,
        ),
    ],
    [
      'expired',
      () => signToken({ sub: person.id, role: 'authenticated' }, inject('jwtSecret'), -1),
    ],
  ])('refuses a token that is %s', async (_what, token) => {
    const client = guest();
    await client.realtime.setAuth(token());
    await expect(listen(client, own(person), { private: true })).rejects.toThrow(/access token/);
  });

  it('ends when its token does, and when the next one may not read', async () => {
    const brief = guest();
    await brief.realtime.setAuth(
      signToken({ sub: person.id, role: 'authenticated' }, inject('jwtSecret'), 2),
    );
    const { channel } = await listen(brief, own(person), { private: true });
    await expect.poll(() => channel.state, { timeout: 5000 }).not.toBe('joined');

    const changed = guest();
    await changed.realtime.setAuth(
      signToken({ sub: person.id, role: 'authenticated' }, inject('jwtSecret'), 60),
    );
    const second = await listen(changed, own(person), { private: true });
    await changed.realtime.setAuth(
      signToken({ sub: stranger.id, role: 'authenticated' }, inject('jwtSecret'), 60),
    );
    await expect.poll(() => second.channel.state).not.toBe('joined');
    await sql`select realtime.send('{}', 'note', ${own(person)})`;
    const still = await listen(person.client, own(person), { private: true });
    await sql`select realtime.send('{"n": 1}', 'note', ${own(person)})`;
    await expect.poll(() => still.messages).toContainEqual({ n: 1 });
    expect(second.messages).toEqual([]);
  });
});

describe('what is not offered', () => {
  it('is refused in words: database changes and presence', async () => {
    const channel = guest()
      .channel(heard())
      .on('postgres_changes', { event: '*', schema: 'public' }, () => {});
    await expect(subscribed(channel)).rejects.toThrow(/does not offer postgres_changes/);

    const present = await listen(guest(), heard(), { presence: { enabled: true } });
    expect(await present.channel.track({ online: true })).toBe('error');
  });
});

describe('a connection', () => {
  it('needs an API key', async () => {
    await expect(connected('vsn=2.0.0')).rejects.toThrow('401');
  });

  it('speaks the older protocol to older clients, and ignores nonsense', async () => {
    const socket = await connected(`vsn=1.0.0&apikey=${inject('publishableKey')}`);
    const received: { event: string; payload: unknown }[] = [];
    socket.on('message', (data) => received.push(JSON.parse(String(data))));
    const topic = heard();
    for (const nonsense of [
      '',
      '{',
      '[]',
      'null',
      '{"topic": 1}',
      Buffer.from([3, 255]),
      Buffer.from([9]),
    ]) {
      socket.send(nonsense);
    }
    socket.send(JSON.stringify({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' }));
    socket.send(
      JSON.stringify({
        topic: `realtime:${topic}`,
        event: 'phx_join',
        payload: { config: {} },
        ref: '2',
        join_ref: '2',
      }),
    );
    await expect
      .poll(() => received.filter((message) => message.event === 'phx_reply'))
      .toHaveLength(2);
    await sql`select realtime.send('{"n": 1}', 'note', ${topic}, false)`;
    await expect
      .poll(() => received.at(-1))
      .toMatchObject({ event: 'broadcast', payload: { event: 'note', payload: { n: 1 } } });
    socket.close();
  });

  it('is closed when the database was lost, and comes back by itself', async () => {
    const topic = heard();
    const { channel, messages } = await listen(guest(), topic);
    const socket = await connected(`apikey=${inject('publishableKey')}`);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'live listener'`;
    await closed;
    await expect.poll(() => channel.state, { timeout: 15_000 }).toBe('joined');
    await expect
      .poll(
        async () => {
          await sql`select realtime.send('{"n": 1}', 'note', ${topic}, false)`;
          return messages.length;
        },
        { timeout: 5000, interval: 100 },
      )
      .toBeGreaterThan(0);
  });
});

async function connected(query: string): Promise<WebSocket> {
  const socket = new WebSocket(
    `${inject('supabaseUrl').replace('http', 'ws')}/realtime/v1/websocket?${query}`,
  );
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

function guest(): Client {
  const client = visitor();
  clients.push(client);
  return client;
}

/** Joins a channel and collects the payloads that come; rejects when the server refuses. */
async function listen(client: Client, topic: string, config: object = {}) {
  const messages: unknown[] = [];
  const channel = client
    .channel(topic, { config })
    .on('broadcast', { event: '*' }, ({ payload }) => messages.push(payload));
  await subscribed(channel);
  return { channel, messages };
}

function subscribed(channel: RealtimeChannel): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      if (status === 'SUBSCRIBED') resolve();
      else if (status !== 'CLOSED') reject(error ?? new Error(status));
    });
  });
}
