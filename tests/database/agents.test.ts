import type { Sql } from 'postgres';
import { afterAll, expect, it } from 'vitest';
import { Crowd, as } from '../support/crowd.ts';
import { createDatabase } from '../support/stack.ts';

/** What holds for an organization's agents when two make, take or close something at the same moment. */
const database = await createDatabase();
const crowd = new Crowd(database.url);
const [one, other] = crowd.connections(2) as [Sql, Sql];
afterAll(async () => {
  await crowd.end();
  await database.drop();
});

it('a slug that two take at once, one of them in a longer transaction, goes to one without a deadlock', async () => {
  const owner = await crowd.person();
  let second: Promise<unknown> = Promise.resolve();

  await as(owner.id, one, async (tx) => {
    await tx`insert into public.agents (organization_id, name) values (${owner.organizationId}, 'First')`;
    second = as(
      owner.id,
      other,
      (tx) => tx`
        insert into public.agents (organization_id, name, slug)
        values (${owner.organizationId}, 'Second', 'wanted')`,
    ).catch((error: { constraint_name: string }) => error.constraint_name);
    await crowd.somebodyWaits();
    await tx`
      insert into public.agents (organization_id, name, slug)
      values (${owner.organizationId}, 'Third', 'wanted')`;
  });

  expect(await second).toBe('agents_slug_is_unique');
  expect(await crowd.deadlocks()).toBe(0);
});

it('an agent that is made while its organization is deleted is refused', async () => {
  const owner = await crowd.person();
  const [organization] = await as(
    owner.id,
    one,
    (tx) => tx<[{ id: string }]>`select id from public.create_organization('Closing')`,
  );
  let made: Promise<unknown> = Promise.resolve();

  await as(owner.id, one, async (tx) => {
    await tx`select public.delete_organization(${organization.id})`;
    made = as(
      owner.id,
      other,
      (tx) => tx`
        insert into public.agents (organization_id, name) values (${organization.id}, 'Late')`,
    ).catch((error: { detail: string }) => error.detail);
    await crowd.somebodyWaits();
  });

  expect(await made).toBe('organization_not_found');
});
