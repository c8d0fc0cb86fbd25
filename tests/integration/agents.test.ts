import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import {
  type AgentDocument,
  type ImportResult,
  importRows,
  readImport,
} from '../../src/lib/agents/import.ts';
import { namesIn } from '../../src/lib/agents/prompt.ts';
import { WATCH_MS } from '../support/crowd.ts';
import { type Person, createDatabase, operator, signUp, visitor } from '../support/stack.ts';

/** A large real collection where there is one, our small one otherwise. */
const promptsFile = process.env['PROMPTS_CSV'] || 'tests/fixtures/prompts-sample.csv';

async function allowAgents(person: Person, limit: number) {
  await operator()
    .from('organizations')
    .update({ max_agents: limit })
    .eq('id', person.organizationId)
    .throwOnError();
}

async function makeAgent(person: Person, name: string) {
  const { data } = await person.client
    .from('agents')
    .insert({ organization_id: person.organizationId, name })
    .select()
    .single()
    .throwOnError();
  return data;
}

describe('many at once', () => {
  let ada: Person;
  beforeAll(async () => {
    ada = await signUp('ada');
  });

  test('fifty who race for the last place are one who wins and 49 who are told', async () => {
    await allowAgents(ada, 1);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        ada.client
          .from('agents')
          .insert({ organization_id: ada.organizationId, name: `Racer ${n}` }),
      ),
    );
    const refused = answers.filter(({ error }) => error);
    expect(refused.map(({ status, error }) => [status, error!.details])).toEqual(
      Array.from({ length: 49 }, () => [402, 'agent_limit_reached']),
    );
    const { count } = await ada.client
      .from('agents')
      .select('id', { count: 'exact', head: true })
      .eq('organization_id', ada.organizationId);
    expect(count).toBe(1);
  });

  test('agents of one name get a slug each', async () => {
    await allowAgents(ada, 1000);
    const agents = await Promise.all(Array.from({ length: 20 }, () => makeAgent(ada, 'Twin')));
    expect(new Set(agents.map(({ slug }) => slug)).size).toBe(20);
  });

  test('publications count up without a gap', async () => {
    const agent = await makeAgent(ada, 'Published');
    const versions = await Promise.all(
      Array.from({ length: 20 }, () =>
        ada.client.rpc('publish_agent_version', { agent_id: agent.id }).throwOnError(),
      ),
    );
    const numbers = versions.map(({ data }) => data!.version_number!).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    const { data: current } = await ada.client
      .from('agents')
      .select('current:agent_versions!agents_current_version_id_id_fkey(version)')
      .eq('id', agent.id)
      .single()
      .throwOnError();
    expect(current).toEqual({ current: { version: '1.0.19' } });
  });
});

describe('counting', () => {
  const database = { url: '', drop: async () => {} };
  beforeAll(async () => Object.assign(database, await createDatabase()));
  afterAll(() => database.drop());

  test('loses and doubles nothing while others fold and read', async () => {
    const sql = postgres(database.url, { max: 10, onnotice: () => {} });
    const agentId = '00000000-0000-7000-8000-000000000001';
    await sql`insert into public.profiles (id, username) values (${agentId}, 'ada')`;
    await sql`insert into public.organizations (id, name, slug) values (${agentId}, 'Ada', 'ada')`;
    await sql`
      insert into public.agents (id, organization_id, created_by_id, name)
      values (${agentId}, ${agentId}, ${agentId}, 'Counted')`;

    let counting = true;
    const seen: number[] = [];
    const watch = (async () => {
      while (counting) {
        const [stats] = await sql`
          select total_uses::int as uses from public.agent_stats where agent_id = ${agentId}`;
        seen.push(stats!['uses'] as number);
        await sql`select private.fold_agent_counters()`;
        await delay(WATCH_MS);
      }
    })();
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (let n = 0; n < 100; n++) {
          await sql`select private.add_agent_delta(${agentId}, 'total_uses', 1)`;
        }
      }),
    );
    counting = false;
    await watch;
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const [stats] = await sql`
      select total_uses::int as uses from public.agent_stats where agent_id = ${agentId}`;
    expect(stats!['uses']).toBe(600);
    await sql.end();
  });
});

describe('strangers', () => {
  let ada: Person;
  let finn: Person;
  let agent: Awaited<ReturnType<typeof makeAgent>>;
  beforeAll(async () => {
    [ada, finn] = await Promise.all([signUp('ada'), signUp('finn')]);
    agent = await makeAgent(ada, 'Secret recipe');
    await ada.client
      .from('agent_variables')
      .insert({ agent_id: agent.id, name: 'spice', value: 'saffron' })
      .throwOnError();
    await ada.client.rpc('publish_agent_version', { agent_id: agent.id }).throwOnError();
  });

  test('find no private agent, by no table, embed, count or function', async () => {
    for (const client of [finn.client, visitor()]) {
      const tables = ['agents', 'agent_versions', 'agent_parameters', 'agent_stats'] as const;
      for (const table of tables) {
        const { data, count } = await client
          .from(table as 'agents')
          .select('*', { count: 'exact' });
        expect([table, data, count]).toEqual([table, [], 0]);
      }
      const embedded = await client
        .from('profiles')
        .select('id,agents!agents_created_by_id_fkey(*)')
        .eq('id', ada.id);
      expect(embedded.data).toEqual([{ id: ada.id, agents: [] }]);
    }
    for (const refused of await Promise.all([
      finn.client.rpc('export_agent', { agent_id: agent.id }),
      finn.client.rpc('publish_agent_version', { agent_id: agent.id }),
      finn.client.rpc('delete_agent', { agent_id: agent.id }),
      finn.client.rpc('fork_agent', { agent_id: agent.id, organization_id: finn.organizationId }),
    ])) {
      expect([refused.status, refused.error?.details]).toEqual([404, 'agent_not_found']);
    }
  });

  test('change none, by update, insert or upsert', async () => {
    const { data } = await finn.client
      .from('agents')
      .update({ name: 'Mine' })
      .eq('id', agent.id)
      .select();
    expect(data).toEqual([]);
    const inserted = await finn.client
      .from('agents')
      .insert({ organization_id: ada.organizationId, name: 'Cuckoo' });
    expect(inserted.error?.code).toBe('42501');
    const upserted = await finn.client
      .from('agents')
      .upsert({ id: agent.id, organization_id: finn.organizationId, name: 'Mine' } as never);
    expect(upserted.error?.code).toBe('42501');
    const variable = await finn.client
      .from('agent_variables')
      .insert({ agent_id: agent.id, name: 'poison', value: 'x' });
    expect(variable.error?.code).toBe('42501');

    const { data: untouched } = await ada.client
      .from('agents')
      .select('name')
      .eq('organization_id', ada.organizationId)
      .throwOnError();
    expect(untouched).toEqual([{ name: 'Secret recipe' }]);
  });
});

describe('importing a collection', () => {
  const read = () => readImport(readFileSync(promptsFile, 'utf8'));
  const importAs = async (person: Person) => {
    const send = async (documents: AgentDocument[]) =>
      (
        await person.client
          .rpc('import_agents', {
            organization_id: person.organizationId,
            documents: documents as never,
          })
          .throwOnError()
      ).data!;
    const results: ImportResult[] = [];
    for await (const result of importRows(await read(), send)) results.push(result);
    return results;
  };

  test('lands every row with the parameters that it has, and again changes nothing', async () => {
    const ada = await signUp('ada');
    await allowAgents(ada, 10_000);
    const rows = await read();
    const readable = rows.filter(({ document }) => document !== null);

    const first = await importAs(ada);
    expect(first.filter(({ outcome }) => outcome === 'created')).toHaveLength(readable.length);
    expect(first.filter(({ outcome }) => outcome === 'refused').map(({ code }) => code)).toEqual(
      rows.filter(({ document }) => document === null).map(() => 'row_unreadable'),
    );

    const sql = postgres(inject('databaseUrl'), { max: 1, onnotice: () => {} });
    const stored = await sql<{ external_key: string; system_prompt: string; names: string[] }[]>`
      select a.external_key, a.system_prompt,
        array(select p.name from public.agent_parameters as p
          where p.agent_id = a.id order by p.display_order) as names
      from public.agents as a
      where a.organization_id = ${ada.organizationId}`;
    await sql.end();
    const byKey = new Map(stored.map((agent) => [agent.external_key, agent]));
    for (const { document } of readable) {
      const agent = byKey.get(document!.external_key as string);
      expect(agent?.system_prompt).toBe(document!.system_prompt);
      const wanted = (document!.parameters as { name: string }[]).map(({ name }) => name);
      expect(agent?.names).toEqual(wanted);
      expect(namesIn(agent!.system_prompt)).toEqual(expect.arrayContaining(wanted));
    }

    const again = await importAs(ada);
    expect(again.filter(({ outcome }) => outcome === 'unchanged')).toHaveLength(readable.length);
  });

  test('works from the command line, within the limit that the operator sets', async () => {
    const ada = await signUp('ada');
    const rows = (await read()).length;
    const readable = (await read()).filter(({ document }) => document !== null).length;
    const importFile = async (...options: string[]) => {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['src/cli/import.ts', promptsFile, '--user', ada.email, ...options],
        { env: { ...process.env, DATABASE_URL: inject('databaseUrl') } },
      ).catch((failure: { stdout: string }) => failure);
      return stdout.trim().split('\n').at(-1);
    };
    await allowAgents(ada, 3);
    expect(await importFile()).toBe(
      'The organization is at its limit of agents; --max-agents N raises it.',
    );
    const created = new RegExp(`^${readable - 3} created, 3 unchanged,.* of ${rows} rows in`);
    expect(await importFile('--max-agents', '10000')).toMatch(created);
    expect(await importFile()).toMatch(new RegExp(`^0 created, ${readable} unchanged,`));
  });
});
