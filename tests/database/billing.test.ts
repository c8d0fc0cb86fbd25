import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/** Stripe promises neither order nor once: whatever it does, the end must be the same. */
const CONNECTIONS = 20;
const database = await createDatabase();
const sql = postgres(database.url, { max: CONNECTIONS, onnotice: () => {} });
let owner: string;
let organization: string;
/** Of three listings that have a price, each bought once. */
let purchases: string[];

beforeAll(async () => {
  await sql.unsafe(readFileSync('supabase/tests/helpers.sql', 'utf8'));
  [{ owner }] = await sql<[{ owner: string }]>`select tests.create_user('payer') as owner`;
  [{ organization }] = await sql<[{ organization: string }]>`
    select tests.create_organization(${owner}, 'Payer') as organization`;
  const bought = await sql<{ id: string }[]>`
    insert into public.purchases (listing_id, organization_id, bought_by_id)
    select tests.create_listing(${owner}, ${organization}, 'Listing ' || n, 20), ${organization}, ${owner}
    from generate_series(1, 3) as n
    returning id`;
  purchases = bought.map(({ id }) => id);
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

it('Stripe events in any order, repeated at will, end in the same subscriptions, invoices, plan and purchases', async () => {
  await fc.assert(
    fc.asyncProperty(
      history().chain((events) =>
        fc.tuple(
          fc.constant(events),
          fc.shuffledSubarray([...events, ...events, ...events], {
            minLength: events.length * 3,
          }),
        ),
      ),
      async ([events, shuffled]) => {
        expect(await stateAfter(shuffled)).toEqual(await stateAfter(events));
      },
    ),
    { numRuns: 100 },
  );
});

it('events of one customer that arrive at the same moment are each applied once', async () => {
  const events = fc.sample(history(), { numRuns: 30, seed: 7 }).flat();
  const expected = await stateAfter(events);

  const outcomes = await Promise.all(
    [...events, ...events].map(
      (event) => sql<[{ outcome: string }]>`
        select public.apply_stripe_event(${sql.json(event)}) as outcome`,
    ),
  );

  expect(await state(sql)).toEqual(expected);
  const ids = new Set(events.map(({ id }) => id));
  expect(outcomes.filter(([row]) => row.outcome !== 'repeated')).toHaveLength(ids.size);
});

it('a subscription that ends by itself waits for the event that prolongs it', async () => {
  const now = Math.floor(Date.now() / 1000);
  const told = (id: string, created: number, ending: { [key: string]: postgres.JSONValue }) =>
    sql.json(
      event(id, 'customer.subscription.updated', created, {
        ...{ id: 'sub_late', object: 'subscription', customer: 'cus_late', status: 'active' },
        metadata: { organization_id: organization },
        items: {
          data: [{ price: { lookup_key: 'pro_monthly' }, current_period_end: now + 86400 }],
        },
        ...ending,
      }),
    );
  await sql`select public.apply_stripe_event(${told('late_1', now, { cancel_at: now - 60 })})`;
  // Upkeep has not looked yet.
  await sql`
    update public.subscriptions set status = 'active' where stripe_subscription_id = 'sub_late'`;

  let ending!: Promise<unknown>;
  await sql.begin(async (tx) => {
    await tx`select public.apply_stripe_event(${told('late_2', now + 1, {})})`;
    ending = sql`select private.end_subscriptions()`.execute();
    await expect
      .poll(
        async () =>
          (
            await sql`
              select from pg_locks
              where locktype = 'advisory' and not granted
                and database = (select oid from pg_database where datname = current_database())`
          ).length,
      )
      .toBe(1);
  });
  await ending;

  const [subscription] = await sql`
    select status, cancel_at from public.subscriptions where stripe_subscription_id = 'sub_late'`;
  expect(subscription).toEqual({ status: 'active', cancel_at: null });
});

it('usage is exact while many runs begin and end at once', async () => {
  const [{ agent }] = await sql<[{ agent: string }]>`
    insert into public.agents (organization_id, created_by_id, name, model)
    values (${organization}, ${owner}, 'Counted', 'openai/gpt-5')
    returning id as agent`;
  await as(owner, (tx) => tx`select public.publish_agent_version(${agent})`);
  const runsEach = 5;

  await Promise.all(
    numbers(CONNECTIONS).map(async (n) => {
      for (let run = 0; run < runsEach; run++) {
        await as(owner, (tx) => tx`select public.run_agent(${agent}, '{"message": "Hi"}')`);
        await work(`worker-${n}`);
      }
    }),
  );
  // Claims pass by what another is just taking.
  while (await work('last'));

  const [live] = await as(owner, (tx) => tx`select * from public.current_usage(${organization})`);
  const [counted] = await sql`
    select count(*) as runs, sum(total_tokens) as tokens, sum(cost_usd) as cost
    from public.executions where organization_id = ${organization}`;
  expect(counted!['runs']).toBe(String(CONNECTIONS * runsEach));
  expect(live!['executions_count']).toBe(counted!['runs']);
  expect(live!['tokens_used']).toBe(counted!['tokens']);
  expect(Number(live!['token_cost_usd'])).toBeCloseTo(Number(counted!['cost']), 6);

  await Promise.all(numbers(4).map(() => sql`select private.record_usage()`));
  const [recorded] = await sql`
    select * from public.usage_records
    where organization_id = ${organization}
      and period_start = date_trunc('month', now() at time zone 'UTC')`;
  expect(recorded!['executions_count']).toBe(live!['executions_count']);
  expect(recorded!['tokens_used']).toBe(live!['tokens_used']);
});

/** Claims a run, if there is one, and carries it out. */
function work(worker: string): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [claim] = await tx`select * from private.claim_execution(${worker})`;
    if (!claim) return false;
    const { execution_id: run, fencing_token: token } = claim;
    const [{ step }] = await tx<[{ step: string }]>`
      select private.start_step(${run}, ${token},
        '{"name": "answer", "type": "llm_call", "model": "openai/gpt-5"}') as step`;
    await tx`
      select private.finish_step(${step}, ${token},
        '{"prompt_tokens": 100, "completion_tokens": 10}')`;
    await tx`select private.complete_execution(${run}, ${token}, '{"text": "Hello"}')`;
    return true;
  }) as Promise<boolean>;
}

type StripeEvent = {
  id: string;
  type: string;
  created: number;
  data: { object: { [key: string]: postgres.JSONValue } };
};

/** What Stripe may tell of up to two customers of one organization, in the order in which it happened. */
function history(): fc.Arbitrary<StripeEvent[]> {
  const past = 1_600_000_000;
  const future = 4_000_000_000;
  const subscription = fc.record({
    kind: fc.constant('subscription' as const),
    change: fc.constantFrom('created', 'updated', 'updated', 'updated', 'deleted'),
    number: fc.integer({ min: 1, max: 3 }),
    plan: fc.constantFrom('starter', 'pro', 'team', 'enterprise'),
    status: fc.constantFrom('trialing', 'active', 'past_due', 'unpaid', 'incomplete', 'canceled'),
    end: fc.constantFrom(past, future),
    cancels: fc.boolean(),
  });
  const invoice = fc.record({
    kind: fc.constant('invoice' as const),
    change: fc.constantFrom('created', 'finalized', 'paid', 'payment_failed', 'voided', 'deleted'),
    number: fc.integer({ min: 1, max: 3 }),
    status: fc.constantFrom('draft', 'open', 'paid', 'void', 'uncollectible'),
    cents: fc.integer({ min: 0, max: 100_000 }),
  });
  const checkout = fc.record({ kind: fc.constant('checkout' as const) });
  const payment = fc.record({
    kind: fc.constant('payment' as const),
    change: fc.constantFrom('completed', 'expired', 'async_payment_failed', 'refunded'),
    number: fc.nat({ max: 2 }),
    isWhole: fc.boolean(),
  });
  const happening = fc.record({
    what: fc.oneof(
      { weight: 4, arbitrary: subscription },
      { weight: 3, arbitrary: invoice },
      { weight: 1, arbitrary: checkout },
      { weight: 3, arbitrary: payment },
    ),
    // Several things happen within a second: Stripe's times do not tell their order.
    second: fc.integer({ min: 0, max: 5 }),
    customer: fc.constantFrom('cus_1', 'cus_2'),
    id: fc.uuid(),
  });
  return fc.array(happening, { minLength: 2, maxLength: 14 }).map((happenings) =>
    happenings
      .sort((a, b) => a.second - b.second)
      .map(({ what, second, customer, id }): StripeEvent => {
        const created = 1_750_000_000 + second;
        if (what.kind === 'checkout') {
          return event(id, 'checkout.session.completed', created, {
            ...{ id: `cs_${id}`, object: 'checkout.session', customer },
            client_reference_id: organization,
          });
        }
        if (what.kind === 'payment') {
          const isRefund = what.change === 'refunded';
          return event(
            id,
            isRefund ? 'charge.refunded' : `checkout.session.${what.change}`,
            created,
            {
              ...{ id: `of_${id}`, mode: 'payment', payment_intent: `pi_${what.number}` },
              ...(isRefund ? {} : { client_reference_id: purchases[what.number]! }),
              ...{ currency: 'usd', amount_subtotal: 2000 },
              payment_status: what.isWhole ? 'paid' : 'unpaid',
              refunded: what.isWhole,
            },
          );
        }
        if (what.kind === 'invoice') {
          return event(id, `invoice.${what.change}`, created, {
            ...{ id: `in_${customer}_${what.number}`, object: 'invoice', customer },
            ...{ currency: 'usd', status: what.status, number: `N-${what.number}`, created },
            ...{ subtotal: what.cents, total: what.cents, amount_due: what.cents },
            subscription: `sub_${customer}_${what.number}`,
          });
        }
        return event(id, `customer.subscription.${what.change}`, created, {
          ...{ id: `sub_${customer}_${what.number}`, object: 'subscription', customer, created },
          status: what.change === 'deleted' ? 'canceled' : what.status,
          ended_at: what.change === 'deleted' ? what.end : null,
          cancel_at_period_end: what.cancels,
          items: {
            data: [{ price: { lookup_key: `${what.plan}_monthly` }, current_period_end: what.end }],
          },
        });
      }),
  );
}

function event(
  id: string,
  type: string,
  created: number,
  object: StripeEvent['data']['object'],
): StripeEvent {
  return { id: `evt_${id}`, type, created, data: { object } };
}

/** What the database holds after these events alone, which leave no trace. */
async function stateAfter(events: StripeEvent[]): Promise<unknown> {
  let after: unknown;
  await sql
    .begin(async (tx) => {
      for (const event of events) await tx`select public.apply_stripe_event(${tx.json(event)})`;
      after = await state(tx as unknown as postgres.Sql);
      throw new RolledBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof RolledBack)) throw error;
    });
  return after;
}
class RolledBack extends Error {}

async function state(db: postgres.Sql): Promise<unknown> {
  return {
    organization: await db`
      select plan, max_agents, max_executions_per_month, max_team_members
      from public.organizations where id = ${organization}`.then((rows) => [...rows]),
    subscriptions: await db`
      select to_jsonb(s) - '{id,created_at,updated_at}'::text[] as row
      from public.subscriptions as s order by stripe_subscription_id`.then((rows) => [...rows]),
    invoices: await db`
      select to_jsonb(i) - '{id,created_at,updated_at,subscription_id}'::text[] as row,
        s.stripe_subscription_id
      from public.invoices as i
        left join public.subscriptions as s on s.id = i.subscription_id
      order by stripe_invoice_id`.then((rows) => [...rows]),
    purchases: await db`
      select status, stripe_reference, paid_at is not null as is_paid
      from public.purchases order by id`.then((rows) => [...rows]),
  };
}

function as<T>(user: string, work: (tx: postgres.Sql) => Promise<T>): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`select tests.sign_in(${user})`;
    return work(tx as unknown as postgres.Sql);
  }) as Promise<T>;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
