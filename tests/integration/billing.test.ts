import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { operator, signUp, visitor } from '../support/stack.ts';

it('visitors see the plans; an organization that pays gets its limits; its member reads the usage', async () => {
  const { data: plans } = await visitor()
    .from('plans')
    .select('name, max_agents')
    .order('display_order')
    .throwOnError();
  expect(plans.map(({ name }) => name)).toEqual(['free', 'starter', 'pro', 'team', 'enterprise']);

  const owner = await signUp('payer');
  const customer = `cus_${randomUUID()}`;
  const now = Math.floor(Date.now() / 1000);
  const { data: outcome } = await operator()
    .rpc('apply_stripe_event', {
      event: {
        ...{ id: `evt_${randomUUID()}`, type: 'customer.subscription.created', created: now },
        data: {
          object: {
            ...{ id: `sub_${randomUUID()}`, object: 'subscription', customer, created: now },
            status: 'active',
            metadata: { organization_id: owner.organizationId },
            items: {
              data: [
                {
                  price: { lookup_key: 'pro_monthly' },
                  current_period_start: now,
                  current_period_end: now + 2_592_000,
                },
              ],
            },
          },
        },
      },
    })
    .throwOnError();
  expect(outcome).toBe('applied');

  const { data: organization } = await owner.client
    .from('organizations')
    .select('plan, max_agents')
    .eq('id', owner.organizationId)
    .single()
    .throwOnError();
  expect(organization).toEqual({
    plan: 'pro',
    max_agents: plans.find(({ name }) => name === 'pro')!.max_agents,
  });
  const { data: subscriptions } = await owner.client
    .from('subscriptions')
    .select('plan, status, stripe_customer_id')
    .throwOnError();
  expect(subscriptions).toEqual([{ plan: 'pro', status: 'active', stripe_customer_id: customer }]);

  const { data: usage } = await owner.client
    .rpc('current_usage', { organization_id: owner.organizationId }, { get: true })
    .throwOnError();
  expect(usage).toMatchObject({ executions_count: 0, tokens_used: 0, total_cost_usd: 0 });
});

it('nobody but the operator speaks for Stripe, and nobody else reads what an organization pays', async () => {
  const [owner, stranger] = [await signUp('payer'), await signUp('stranger')];
  for (const client of [owner.client, stranger.client, visitor()]) {
    const { error } = await client.rpc('apply_stripe_event', { event: {} });
    expect(error?.code).toBe('42501');
  }
  const { error } = await stranger.client.rpc('current_usage', {
    organization_id: owner.organizationId,
  });
  expect(error?.details).toBe('organization_not_found');
});
