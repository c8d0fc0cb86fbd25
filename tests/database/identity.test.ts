import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WATCH_MS } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/** What holds when many ask at the same moment: each race has a connection of its own per caller. */
const RACERS = 20;
const database = await createDatabase();
const sql = postgres(database.url, { max: RACERS, onnotice: () => {} });

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

it('the last seat goes to exactly one of twenty invitations', async () => {
  const owner = await createUser('seats');
  const organization = await createOrganization(owner, 'Seats');
  await sql`update public.organizations set max_team_members = 2 where id = ${organization}`;

  const outcomes = await race(
    numbers(RACERS).map((n) => [
      owner,
      (tx) =>
        tx`select public.invite_member(${organization}, ${`racer-${n}@example.com`}, 'member')`,
    ]),
  );

  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === 'member_quota_exceeded')).toHaveLength(
    RACERS - 1,
  );
});

it('an admin who is removed while inviting leaves no open invitation', async () => {
  const [owner, admin] = [await createUser('remover'), await createUser('remained')];
  const organization = await createOrganization(owner, 'Removal');
  await sql`select tests.add_member(${organization}, ${admin}, 'admin')`;
  await sql`update public.organizations set max_team_members = 20 where id = ${organization}`;
  let removal: Promise<unknown> = Promise.resolve();
  let removed = false;

  await as(admin, async (tx) => {
    await tx`select public.invite_member(${organization}, 'way-back@example.com', 'admin')`;
    removal = as(
      owner,
      (tx) => tx`
        delete from public.organization_members
        where organization_id = ${organization} and user_id = ${admin}`,
    ).finally(() => (removed = true));
    // Until it is over, or waits for this one.
    while (!removed && !(await somebodyWaits())) await delay(WATCH_MS);
  });
  await removal;

  const [invitation] = await sql`
    select revoked_at from public.organization_invitations where organization_id = ${organization}`;
  expect(invitation!['revoked_at']).not.toBeNull();
});

it('inviting anew and sending the expired invitation again at once never deadlock', async () => {
  for (const round of numbers(5)) {
    const owner = await createUser(`host-${round}`);
    const organization = await createOrganization(owner, `Guests ${round}`);
    const email = `guest-${round}@example.com`;
    const id = await as(owner, async (tx) => {
      const [row] =
        await tx`select id from public.invite_member(${organization}, ${email}, 'viewer')`;
      return row!['id'] as string;
    });
    await sql`update public.organization_invitations set expires_at = now() where id = ${id}`;

    const outcomes = await race([
      [owner, (tx) => tx`select public.invite_member(${organization}, ${email}, 'viewer')`],
      [owner, (tx) => tx`select public.resend_invitation(${id})`],
    ]);

    expect([
      ['done', 'invitation_revoked'],
      ['already_invited', 'done'],
    ]).toContainEqual(outcomes);
  }
});

it('an invitation is accepted once, however often it is tried at once', async () => {
  const owner = await createUser('inviter');
  const invited = await createUser('invited');
  const organization = await createOrganization(owner, 'Once');
  const token = await as(owner, async (tx) => {
    const [row] = await tx`
      select token from public.invite_member(${organization}, 'invited@example.com', 'member')`;
    return row!['token'] as string;
  });

  const outcomes = await race(
    numbers(10).map(() => [invited, (tx) => tx`select public.accept_invitation(${token})`]),
  );

  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === 'invitation_used')).toHaveLength(9);
});

it('of two owners who demote each other at once, one stays', async () => {
  for (const round of numbers(5)) {
    const [one, other] = [await createUser(`one-${round}`), await createUser(`other-${round}`)];
    const organization = await createOrganization(one, `Duel ${round}`);
    await sql`select tests.add_member(${organization}, ${other}, 'owner')`;
    const demote =
      (user: string) =>
      (tx: postgres.Sql): Query => tx`
        update public.organization_members set role = 'member'
        where organization_id = ${organization} and user_id = ${user}`;

    await race([
      [one, demote(other)],
      [other, demote(one)],
    ]);

    expect(await ownersOf(organization)).toBe(1);
  }
});

it('an owner who hands over while being demoted never deadlocks', async () => {
  for (const round of numbers(5)) {
    const [one, other, heir] = await Promise.all(
      ['giver', 'taker', 'heir'].map((name) => createUser(`${name}-${round}`)),
    );
    const organization = await createOrganization(one!, `Handover ${round}`);
    await sql`select tests.add_member(${organization}, ${other!}, 'owner')`;
    await sql`select tests.add_member(${organization}, ${heir!}, 'member')`;

    const outcomes = await race([
      [one!, (tx) => tx`select public.transfer_ownership(${organization}, ${heir!})`],
      [
        other!,
        (tx) => tx`
          update public.organization_members set role = 'viewer'
          where organization_id = ${organization} and user_id = ${one!}`,
      ],
    ]);

    expect(['done', 'not_allowed']).toContain(outcomes[0]);
    expect(outcomes[1]).toBe('done');
  }
});

it('owners who all leave at once leave one behind', async () => {
  const owners = await Promise.all(numbers(8).map((n) => createUser(`leaver-${n}`)));
  const organization = await createOrganization(owners[0]!, 'Exodus');
  for (const owner of owners.slice(1)) {
    await sql`select tests.add_member(${organization}, ${owner}, 'owner')`;
  }

  const outcomes = await race(
    owners.map((owner) => [owner, (tx) => tx`select public.leave_organization(${organization})`]),
  );

  expect(await ownersOf(organization)).toBe(1);
  expect(outcomes.filter((outcome) => outcome === 'last_owner')).toHaveLength(1);
});

it('people who sign up with one name at once all get in, under different names', async () => {
  await Promise.all(
    numbers(RACERS).map(
      (n) => sql`
        insert into auth.users (id, email, raw_user_meta_data)
        values (gen_random_uuid(), ${`twin-${n}@example.com`}, '{"username": "twin"}')`,
    ),
  );

  const [{ names }] = await sql<[{ names: number }]>`
    select count(distinct username)::int as names from public.profiles where username ~ '^twin'`;
  const [{ slugs }] = await sql<[{ slugs: number }]>`
    select count(distinct slug)::int as slugs from public.organizations where slug ~ '^twin'`;
  expect({ names, slugs }).toEqual({ names: RACERS, slugs: RACERS });
});

it('the gateway lets through exactly as many requests as a key may send', async () => {
  const owner = await createUser('limited');
  const organization = await createOrganization(owner, 'Limited');
  await as(
    owner,
    (tx) => tx`select public.create_api_key(${organization}, 'bot', '{agents:read}', 8)`,
  );

  const answers = await Promise.all(
    numbers(RACERS).map(
      () => sql<{ allowed: boolean }[]>`
        select c.allowed
        from public.api_keys as k
          join private.api_key_hashes as h on h.api_key_id = k.id,
          private.count_api_request(k.key_prefix, h.key_hash) as c
        where k.organization_id = ${organization}`,
    ),
  );

  // A minute that ends during the test lets the next one's requests through as well.
  const [{ minutes }] = await sql<[{ minutes: number }]>`
    select count(*)::int as minutes from private.api_request_counts
    where organization_id = ${organization}`;
  expect(answers.filter(([answer]) => answer!.allowed)).toHaveLength(8 * minutes);
});

type Query = postgres.PendingQuery<postgres.Row[]>;
type Attempt = [user: string, statement: (tx: postgres.Sql) => Query];

/** Runs every attempt in a transaction of its own, all released at once; 'done' or the code of the refusal. */
async function race(attempts: Attempt[]): Promise<string[]> {
  let ready = 0;
  let release = () => {};
  const started = new Promise<void>((resolve) => (release = resolve));
  return Promise.all(
    attempts.map(([user, statement]) =>
      as(user, async (tx) => {
        if (++ready === attempts.length) release();
        await started;
        await statement(tx);
        return 'done';
      }).catch((error: postgres.PostgresError) => error.detail ?? error.message),
    ),
  );
}

function as<T>(user: string, work: (tx: postgres.Sql) => Promise<T> | Query): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`select tests.sign_in(${user})`;
    return (await work(tx as unknown as postgres.Sql)) as T;
  }) as Promise<T>;
}

async function createUser(username: string): Promise<string> {
  const [row] = await sql`select tests.create_user(${username}) as id`;
  return row!['id'];
}

async function createOrganization(owner: string, name: string): Promise<string> {
  const [row] = await sql`select tests.create_organization(${owner}, ${name}) as id`;
  return row!['id'];
}

async function somebodyWaits(): Promise<boolean> {
  const waiting = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return waiting.length > 0;
}

async function ownersOf(organization: string): Promise<number> {
  const [row] = await sql`
    select count(*)::int as owners from public.organization_members
    where organization_id = ${organization} and role = 'owner'`;
  return row!['owners'];
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
