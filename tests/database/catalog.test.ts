import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { isProving } from '../support/proving.ts';
import { createDatabase } from '../support/stack.ts';

/**
 * Counters and listing states under whatever people do, in whatever order, over several connections:
 * random sequences of operations, and a recount or a model that says what must have come of them.
 */
const CONNECTIONS = 8;
const RUNS = isProving ? 100 : 12;
const database = await createDatabase();
const sql = postgres(database.url, { max: CONNECTIONS, onnotice: () => {} });

type World = { people: string[]; homes: string[]; listings: string[]; agents: string[] };
let world: World;

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});
beforeEach(async () => {
  world = await createWorld();
});

/** Four people with an organization each, and two listings of a fifth. */
async function createWorld(): Promise<World> {
  const salt = Math.random().toString(36).slice(2, 10);
  const createUser = async (name: string): Promise<string> => {
    const [row] = await sql`select tests.create_user(${`${name}-${salt}`}) as id`;
    return row!['id'] as string;
  };
  const maker = await createUser('maker');
  const [shop] = await sql`select tests.create_organization(${maker}, ${`Shop ${salt}`}) as id`;
  const listings: string[] = [];
  for (const title of ['Writer', 'Reader']) {
    const [row] = await sql`select tests.create_listing(${maker}, ${shop!['id']}, ${title}) as id`;
    listings.push(row!['id'] as string);
  }
  const people = await Promise.all(['a', 'b', 'c', 'd'].map(createUser));
  await sql`update public.organizations set max_agents = 1000`;
  const homes = await Promise.all(
    people.map(async (id) => {
      const [row] = await sql`select tests.personal_organization(${id}) as id`;
      return row!['id'] as string;
    }),
  );
  const agents = await sql`
    select l.agent_id from unnest(${listings}::uuid[]) with ordinality as w (id, place)
      join public.marketplace_listings as l on l.id = w.id
    order by w.place`;
  return { people, homes, listings, agents: agents.map((row) => row['agent_id'] as string) };
}

/** What can happen to the counters of an agent. */
const operations = {
  review: (w: World, person: number, agent: number, n: number) => sql`
    insert into public.agent_reviews (user_id, agent_id, rating)
    values (${w.people[person]!}, ${w.agents[agent]!}, ${1 + (n % 5)})
    on conflict (user_id, agent_id) do update set rating = excluded.rating`,
  withdrawReview: (w: World, person: number, agent: number) => sql`
    delete from public.agent_reviews
    where user_id = ${w.people[person]!} and agent_id = ${w.agents[agent]!}`,
  hideReview: (w: World, person: number, agent: number, n: number) => sql`
    update public.agent_reviews set is_hidden = ${n % 2 === 0}
    where user_id = ${w.people[person]!} and agent_id = ${w.agents[agent]!}`,
  hideAndRate: (w: World, _person: number, agent: number, n: number) => sql`
    update public.agent_reviews set is_hidden = not is_hidden, rating = ${1 + (n % 5)}
    where id in (
      select r.id from public.agent_reviews as r
      where r.agent_id = ${w.agents[agent]!} order by r.id for update)`,
  favor: (w: World, person: number, agent: number) => sql`
    insert into public.favorites (user_id, agent_id)
    values (${w.people[person]!}, ${w.agents[agent]!}) on conflict do nothing`,
  disfavor: (w: World, person: number, agent: number) => sql`
    delete from public.favorites
    where user_id = ${w.people[person]!} and agent_id = ${w.agents[agent]!}`,
  install: (w: World, person: number, agent: number) =>
    as(
      w.people[person]!,
      (tx) => tx`select public.install_listing(${w.listings[agent]!}, ${w.homes[person]!})`,
    ),
  uninstall: (w: World, person: number, agent: number) => sql`
    update public.marketplace_installs set uninstalled_at = now()
    where organization_id = ${w.homes[person]!} and listing_id = ${w.listings[agent]!}
      and uninstalled_at is null`,
  deleteCopy: (w: World, person: number, agent: number) =>
    as(
      w.people[person]!,
      (tx) => tx`
        select public.delete_agent(i.cloned_agent_id) from public.marketplace_installs as i
        where i.organization_id = ${w.homes[person]!} and i.listing_id = ${w.listings[agent]!}
          and i.uninstalled_at is null`,
    ),
  view: (w: World, person: number, agent: number, n: number) =>
    as(
      w.people[person]!,
      (tx) => tx`
        select public.record_agent_event(${w.agents[agent]!}, ${n % 2 === 0 ? 'view' : 'share'})`,
    ),
  hideAgent: (w: World, _person: number, agent: number) => sql`
    update public.agents set deleted_at = case when deleted_at is null then now() end
    where id = ${w.agents[agent]!}`,
  purgeInstaller: (w: World, person: number) => sql`
    delete from public.marketplace_installs
    where id in (
      select i.id from public.marketplace_installs as i
      where i.organization_id = ${w.homes[person]!} order by i.id for update)`,
  fold: () => sql`select private.fold_agent_counters()`,
};
type Operation = { name: keyof typeof operations; person: number; agent: number; n: number };

/** What they may come to: anything else, a deadlock above all, is a mistake. */
const EXPECTED = ['done', 'already_installed', 'listing_not_found', 'agent_not_found'];

const operation: fc.Arbitrary<Operation> = fc.record({
  name: fc.constantFrom(...(Object.keys(operations) as (keyof typeof operations)[])),
  person: fc.nat({ max: 3 }),
  agent: fc.nat({ max: 1 }),
  n: fc.nat({ max: 9 }),
});

it('counters equal a recount after any interleaving over eight connections', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(operation, { minLength: 1, maxLength: 10 }), {
        minLength: CONNECTIONS,
        maxLength: CONNECTIONS,
      }),
      async (scripts) => {
        const outcomes = await Promise.all(
          scripts.map(async (script) => {
            const codes: string[] = [];
            for (const { name, person, agent, n } of script) {
              codes.push(await attempt(operations[name](world, person, agent, n)));
            }
            return codes;
          }),
        );
        expect(new Set([...outcomes.flat(), ...EXPECTED])).toEqual(new Set(EXPECTED));
        expect(await sql`select * from private.recount()`).toEqual([]);
        await sql`select private.fold_agent_counters()`;
        expect(await sql`select * from private.recount()`).toEqual([]);
      },
    ),
    { numRuns: RUNS },
  );
});

it('a review is verified exactly when its organization ever installed the agent, whichever came first', async () => {
  for (let round = 0; round < RUNS; round++) {
    const { people, homes, listings, agents } = await createWorld();
    await Promise.all(
      people.flatMap((person, at) => [
        sql`insert into public.agent_reviews (user_id, agent_id, rating) values (${person}, ${agents[0]!}, 5)`,
        as(person, (tx) => tx`select public.install_listing(${listings[0]!}, ${homes[at]!})`),
      ]),
    );
    const unverified = await sql`
      select from public.agent_reviews where agent_id = ${agents[0]!} and not is_verified_install`;
    expect(unverified).toHaveLength(0);
  }
});

it('one of eight who install at once does', async () => {
  const { people, homes, listings } = world;
  const outcomes = await Promise.all(
    Array.from({ length: CONNECTIONS }, () =>
      attempt(
        as(people[0]!, (tx) => tx`select public.install_listing(${listings[0]!}, ${homes[0]!})`),
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === 'already_installed')).toHaveLength(7);
});

it.each([
  [
    'a deletion of their organization',
    `update public.organizations set deleted_at = now()
    where id in (select organization_id from public.marketplace_listings where id = any ($1))`,
  ],
  [
    'a new name of their industry',
    `update public.industries set name = name || '.'
    where name like 'Legal%'`,
  ],
  ['folding their counters', 'select private.fold_agent_counters()'],
  ['refreshing their trends', 'select private.refresh_trending()'],
])('listings are locked in order by %s', async (_, change) => {
  const [low, high] = [...world.listings].sort();
  // The lower one is written last, so that a plain update would come to it last.
  for (const id of [high!, low!]) {
    await sql`
      update public.marketplace_listings
      set industry_id = (select i.id from public.industries as i where i.name like 'Legal%')
      where id = ${id}`;
  }
  await sql`
    select private.add_agent_delta(a, 'install_count', 1),
      private.log_agent_event(a, 'share', ${world.people[0]!})
    from unnest(${world.agents}::uuid[]) as a`;

  let changed: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await tx`select from public.marketplace_listings where id = ${low!} for update`;
    changed = sql.unsafe(change, change.includes('$1') ? [world.listings] : []).execute();
    await vi.waitFor(async () => {
      const blocked = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      expect(blocked).toHaveLength(1);
    }, 10_000);
    await tx`select from public.marketplace_listings where id = ${high!} for update nowait`;
  });
  await changed;
});

/** A listing as it must be: what each step does to it, or the code that refuses the step. */
class Model {
  listing: 'draft' | 'listed' | 'suspended' = 'listed';
  suspendedFrom: 'draft' | 'listed' = 'listed';
  open: 'none' | 'draft' | 'pending_review' | 'rejected' | 'withdrawn' = 'none';
  title = 'Writer';
  openTitle = '';
  agentLives = true;

  get isLive(): boolean {
    return this.listing === 'listed' && this.agentLives;
  }

  apply(step: Step): string {
    switch (step.name) {
      case 'write':
        if (this.open !== 'none') return '23505';
        this.open = 'draft';
        this.openTitle = step.title;
        return 'done';
      case 'edit':
        if (this.open === 'none') return 'done';
        if (this.open === 'pending_review' && this.openTitle !== step.title)
          return 'revision_frozen';
        this.openTitle = step.title;
        return 'done';
      case 'discard':
        if (this.open === 'pending_review') return 'revision_frozen';
        this.open = 'none';
        return 'done';
      case 'submit':
        if (this.open === 'none' || this.open === 'pending_review') return 'nothing_to_submit';
        this.open = 'pending_review';
        return 'done';
      case 'withdraw':
        if (this.open !== 'pending_review') return 'nothing_to_withdraw';
        this.open = 'withdrawn';
        return 'done';
      case 'approve':
        if (this.open !== 'pending_review') return 'nothing waits';
        this.open = 'none';
        this.title = this.openTitle;
        return 'done';
      case 'reject':
        if (this.open !== 'pending_review') return 'nothing waits';
        this.open = 'rejected';
        return 'done';
      case 'suspend':
        if (this.listing === 'suspended') return 'listing_state_conflict';
        this.suspendedFrom = this.listing;
        this.listing = 'suspended';
        return 'done';
      case 'reinstate':
        if (this.listing !== 'suspended') return 'listing_state_conflict';
        this.listing = this.suspendedFrom;
        return 'done';
      case 'shelve':
      case 'unshelve':
        if (this.listing === 'suspended') return 'moderators_only';
        this.listing = step.name === 'shelve' ? 'draft' : 'listed';
        return 'done';
      case 'deleteAgent':
        this.agentLives = !this.agentLives;
        return 'done';
    }
  }
}

const STEPS = [
  ...(['write', 'edit', 'discard', 'submit', 'withdraw', 'approve', 'reject'] as const),
  ...(['suspend', 'reinstate', 'shelve', 'unshelve', 'deleteAgent'] as const),
];
type Step = { name: (typeof STEPS)[number]; title: string };
const step: fc.Arbitrary<Step> = fc.record({
  name: fc.constantFrom(...STEPS),
  title: fc.constantFrom('Writer', 'Better writer', 'Best writer'),
});

it('a listing goes through its states as the model does, whatever the steps', async () => {
  const [moderator] =
    await sql`select tests.create_user(${`mod-${Math.random().toString(36).slice(2, 10)}`}) as id`;
  await sql`update public.profiles set is_superuser = true where id = ${moderator!['id']}`;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const { listings, agents } = await createWorld();
      const [listing, agent] = [listings[0]!, agents[0]!];
      const [owner] = await sql`select created_by_id as id from public.agents where id = ${agent}`;
      const model = new Model();
      for (const taken of steps) {
        const outcome = await attempt(
          take(taken, { listing, agent, owner: owner!['id'], moderator: moderator!['id'] }),
        );
        expect(outcome, JSON.stringify(taken)).toBe(model.apply(taken));
        const [found] = await sql`
          select l.status as listing, l.title, l.is_live as "isLive",
            coalesce((select r.status from public.listing_revisions as r
                      where r.listing_id = l.id and r.status <> 'approved'), 'none') as open,
            (select r.title from public.listing_revisions as r where r.id = l.live_revision_id) as approved
          from public.marketplace_listings as l where l.id = ${listing}`;
        expect({ ...found }).toEqual({
          listing: model.listing,
          title: model.title,
          isLive: model.isLive,
          open: model.open,
          approved: model.title,
        });
      }
    }),
    { numRuns: RUNS },
  );
});

type Actors = { listing: string; agent: string; owner: string; moderator: string };

function take(
  { name, title }: Step,
  { listing, agent, owner, moderator }: Actors,
): PromiseLike<unknown> {
  switch (name) {
    case 'write':
      return as(
        owner,
        (tx) => tx`
          insert into public.listing_revisions
            (listing_id, title, short_description, long_description, category)
          values (${listing}, ${title}, 'Short.', 'Long.', 'Writing')`,
      );
    case 'edit':
      return as(
        owner,
        (tx) => tx`
          update public.listing_revisions set title = ${title}
          where listing_id = ${listing} and status <> 'approved'`,
      );
    case 'discard':
      return as(
        owner,
        (tx) => tx`
          delete from public.listing_revisions
          where listing_id = ${listing} and status <> 'approved'`,
      );
    case 'submit':
      return as(owner, (tx) => tx`select public.submit_listing(${listing})`);
    case 'withdraw':
      return as(owner, (tx) => tx`select public.withdraw_listing(${listing})`);
    case 'approve':
    case 'reject':
      return as(moderator, async (tx) => {
        const [waiting] = await tx`
          select id from public.listing_revisions
          where listing_id = ${listing} and status = 'pending_review'`;
        if (!waiting) throw new Error('nothing waits');
        await tx`select public.review_listing(${waiting['id']}, ${name === 'approve'}, 'Seen.')`;
      });
    case 'suspend':
      return as(moderator, (tx) => tx`select public.suspend_listing(${listing}, 'Spam.')`);
    case 'reinstate':
      return as(moderator, (tx) => tx`select public.reinstate_listing(${listing})`);
    case 'shelve':
    case 'unshelve':
      return as(
        owner,
        (tx) => tx`
          update public.marketplace_listings set status = ${name === 'shelve' ? 'draft' : 'listed'}
          where id = ${listing}`,
      );
    case 'deleteAgent':
      return sql`
        update public.agents set deleted_at = case when deleted_at is null then now() end
        where id = ${agent}`;
  }
}

/** Runs as a signed-in person, as PostgREST would. */
function as<T>(user: string, work: (tx: postgres.TransactionSql) => Promise<T> | PromiseLike<T>) {
  return sql.begin(async (tx) => {
    await tx`select tests.sign_in(${user})`;
    return await work(tx);
  });
}

/** 'done', or the code of the refusal. */
async function attempt(work: PromiseLike<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) return (error as Error).message;
    return error.code.startsWith('PT') ? String(error.detail) : error.code;
  }
}
