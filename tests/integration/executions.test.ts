import { createClient } from '@supabase/supabase-js';
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Database } from '../../src/lib/supabase/database.types.ts';
import { operator, signUp, visitor, type Client, type Person } from '../support/stack.ts';

/**
 * Runs as people and programs meet them, through the gateway. Workers of other tests may share this
 * database and take any run that waits; so nothing here depends on what becomes of one, and what a
 * worker would write is written by hand.
 */
const sql = postgres(inject('databaseUrl'), { max: 2, onnotice: () => {} });
afterAll(() => sql.end());

let ada: Person;
let stranger: Person;
let agentId: string;

beforeAll(async () => {
  [ada, stranger] = await Promise.all([signUp('ada'), signUp('stranger')]);
  const { data: agent } = await ada.client
    .from('agents')
    .insert({
      organization_id: ada.organizationId,
      name: 'Translator',
      slug: 'translator',
      system_prompt: 'Translate into {{language}}.',
      model: 'openai-compatible/of-no-test',
      visibility: 'private',
    })
    .select('id')
    .single()
    .throwOnError();
  agentId = agent.id;
  await ada.client
    .from('agent_parameters')
    .insert({ agent_id: agentId, name: 'language', default_value: 'Latin' })
    .throwOnError();
  await ada.client.rpc('publish_agent_version', { agent_id: agentId }).throwOnError();
});

describe('asking for a run', () => {
  it('answers with the run, its defaults filled in, and lists it with agent and version', async () => {
    const run = await ask(ada.client, { input: { message: 'Hello' } });
    expect(run).toMatchObject({
      organization_id: ada.organizationId,
      user_id: ada.id,
      trigger_source: 'user',
      input: { message: 'Hello', parameters: { language: 'Latin' } },
    });

    const { data } = await ada.client
      .from('executions')
      .select('id,agent(name),agent_version(version),tool_calls')
      .eq('organization_id', ada.organizationId)
      .order('id', { ascending: false })
      .limit(1)
      .single()
      .throwOnError();
    expect(data).toEqual({
      id: run.id,
      agent: { name: 'Translator' },
      agent_version: { version: '1.0.0' },
      tool_calls: [],
    });
  });

  it('the same click twice is one run', async () => {
    const idempotency_key = randomUUID();
    const [first, second] = await Promise.all([
      ask(ada.client, { idempotency_key }),
      ask(ada.client, { idempotency_key }),
    ]);
    expect(second.id).toBe(first.id);
    expect(
      await codeOf(
        ada.client.rpc('run_agent', {
          agent_id: agentId,
          input: { message: 'Something else' },
          idempotency_key,
        }),
      ),
    ).toBe('idempotency_key_reused');
  });

  it('tells what is wrong by a code and the HTTP status', async () => {
    const refused = await ada.client.rpc('run_agent', {
      agent_id: agentId,
      input: { parameters: { tongue: 'Latin' } },
    });
    expect(refused.status).toBe(400);
    expect(refused.error).toMatchObject({ details: 'parameter_unknown' });
    expect(refused.error!.hint).not.toBe('');
  });

  it('over the quota it answers 402', async () => {
    const poor = await signUp('poor');
    const { data: agent } = await poor.client
      .from('agents')
      .insert({
        organization_id: poor.organizationId,
        name: 'Idle',
        slug: 'idle',
        model: 'openai-compatible/of-no-test',
      })
      .select('id')
      .single()
      .throwOnError();
    await operator()
      .from('organizations')
      .update({ max_executions_per_month: 0 })
      .eq('id', poor.organizationId)
      .throwOnError();
    const refused = await poor.client.rpc('run_agent', { agent_id: agent.id, draft: true });
    expect(refused.status).toBe(402);
    expect(refused.error!.details).toBe('execution_quota_exceeded');
  });

  it('a key runs for its user, and leaves no trace elsewhere', async () => {
    const { data: key } = await ada.client
      .rpc('create_api_key', {
        organization_id: ada.organizationId,
        name: 'program',
        scopes: ['agents:run', 'executions:read'],
      })
      .single()
      .throwOnError();
    const program = createClient<Database>(inject('supabaseUrl'), inject('publishableKey'), {
      auth: { persistSession: false, autoRefreshToken: false },
      global: { headers: { 'x-api-key': key.key } },
    });
    const run = await ask(program, {});
    expect(run).toMatchObject({ user_id: ada.id, trigger_source: 'api' });
    expect(await codeOf(program.rpc('cancel_execution', { execution_id: run.id }))).toBe(
      'scope_missing',
    );
    const { data } = await program.from('executions').select('id').eq('id', run.id).throwOnError();
    expect(data).toHaveLength(1);
  });
});

describe('a stranger', () => {
  it.each([
    'executions',
    'execution_steps',
    'execution_logs',
    'execution_events',
    'execution_artifacts',
    'execution_approvals',
  ] as const)('sees nothing in %s, counted or embedded', async (table) => {
    const runId = await runWithEverything();
    expect((await ada.client.from(table).select().throwOnError()).data.length).toBeGreaterThan(0);

    const { data, count } = await stranger.client
      .from(table)
      .select('*', { count: 'exact' })
      .throwOnError();
    expect({ data, count }).toEqual({ data: [], count: 0 });
    const { data: byRun } = await stranger.client
      .from('execution_steps')
      .select('*,executions(*)')
      .eq('execution_id', runId)
      .throwOnError();
    expect(byRun).toEqual([]);
    expect((await visitor().from(table).select()).error!.code).toBe('42501');
  });

  it('can neither stop, repeat nor answer a run, nor learn that it is there', async () => {
    const execution_id = await runWithEverything();
    const { data: approval } = await ada.client
      .from('execution_approvals')
      .select('id')
      .eq('execution_id', execution_id)
      .single()
      .throwOnError();
    for (const id of [execution_id, randomUUID()]) {
      expect(await codeOf(stranger.client.rpc('cancel_execution', { execution_id: id }))).toBe(
        'execution_not_found',
      );
      expect(await codeOf(stranger.client.rpc('retry_execution', { execution_id: id }))).toBe(
        'execution_not_found',
      );
    }
    expect(
      await codeOf(
        stranger.client.rpc('decide_approval', { approval_id: approval.id, approve: true }),
      ),
    ).toBe('approval_not_found');
    expect(await codeOf(stranger.client.rpc('run_agent', { agent_id: agentId }))).toBe(
      'agent_not_found',
    );
  });

  it('does not hear what a run says', async () => {
    const runId = await runWithEverything();
    expect(await join(stranger, runId)).toMatchObject({ status: 'CHANNEL_ERROR' });
  });

  it('does not get its files', async () => {
    const runId = await runWithEverything();
    const path = `${ada.organizationId}/${runId}/answer.txt`;
    await operator()
      .storage.from('artifacts')
      .upload(path, new Blob(['42']), { contentType: 'text/plain' });

    const own = await ada.client.storage.from('artifacts').download(path);
    expect(await own.data!.text()).toBe('42');
    expect((await stranger.client.storage.from('artifacts').download(path)).error).not.toBeNull();
    expect(
      (await stranger.client.storage.from('artifacts').list(ada.organizationId)).data ?? [],
    ).toEqual([]);
    const upload = await ada.client.storage
      .from('artifacts')
      .upload(`${ada.organizationId}/mine.txt`, new Blob(['x']));
    expect(upload.error).not.toBeNull();
  });
});

describe('following a run', () => {
  it('its runner hears every event with its number, and reads what was missed', async () => {
    const runId = await runWithEverything();
    const { status, heard, leave } = await join(ada, runId);
    expect(status).toBe('SUBSCRIBED');
    const [{ seq }] = await sql<[{ seq: string }]>`
      select private.send_event(${runId}, 'delta', '{"text": "live"}') as seq`;
    await expect
      .poll(() => heard)
      .toContainEqual(expect.objectContaining({ seq: Number(seq), text: 'live' }));
    await leave();

    const { data: missed } = await ada.client
      .from('execution_events')
      .select('seq,kind,payload')
      .eq('execution_id', runId)
      .gte('seq', Number(seq))
      .order('seq')
      .throwOnError();
    expect(missed[0]).toEqual({ seq: Number(seq), kind: 'delta', payload: { text: 'live' } });
  });

  it('cancelling lands, and its watchers hear of it', async () => {
    const run = await ask(ada.client, {});
    const { heard, leave } = await join(ada, run.id);
    const { data } = await ada.client
      .rpc('cancel_execution', { execution_id: run.id })
      .throwOnError();
    expect(['cancelled', 'failed']).toContain(data.status);
    await expect.poll(() => heard.at(-1)).toMatchObject({ status: data.status });
    await leave();

    const { data: repeated } = await ada.client
      .rpc('retry_execution', { execution_id: run.id })
      .throwOnError();
    expect(repeated).toMatchObject({ retry_of_id: run.id, status: 'pending', input: run.input });
  });
});

it('an agent says whether it runs, failed or stopped', async () => {
  const { data: agent } = await ada.client
    .from('agents')
    .insert({ organization_id: ada.organizationId, name: 'Moody', slug: 'moody' })
    .select('id,runtime_status')
    .single()
    .throwOnError();
  expect(agent.runtime_status).toBe('created');
  const status = async () => {
    const { data } = await ada.client
      .from('agents')
      .select('runtime_status')
      .eq('id', agent.id)
      .single()
      .throwOnError();
    return data.runtime_status;
  };
  // Not due for an hour, so that no worker takes it meanwhile.
  const [{ id }] = await sql.begin(async (tx) => {
    const runs = await tx<[{ id: string }]>`
      insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
      values (${ada.organizationId}, ${ada.id}, ${agent.id}, ${randomUUID()})
      returning id`;
    await tx`update private.execution_queue set available_at = now() + interval '1 hour' where execution_id = ${runs[0].id}`;
    return runs;
  });
  expect(await status()).toBe('running');
  await sql`update public.executions set status = 'failed', error_code = 'internal_error' where id = ${id}`;
  expect(await status()).toBe('error');
  await ada.client.from('agents').update({ status: 'archived' }).eq('id', agent.id).throwOnError();
  expect(await status()).toBe('stopped');
});

it('models are there for everybody, with their price and where it was read', async () => {
  const { data } = await visitor().from('models').select().eq('is_active', true).throwOnError();
  expect(data.map(({ id }) => id)).toContain('demo/echo');
  for (const model of data.filter(({ is_offline }) => !is_offline)) {
    expect(model.source_url).toMatch(/^https:/);
    expect(Number(model.output_usd_per_million)).toBeGreaterThan(0);
  }
});

async function ask(
  client: Client,
  rest: Partial<Database['public']['Functions']['run_agent']['Args']>,
) {
  const { data } = await client.rpc('run_agent', { agent_id: agentId, ...rest }).throwOnError();
  return data;
}

/** A run of Ada's, waiting for an answer, with one row of everything that hangs on runs. */
async function runWithEverything(): Promise<string> {
  return sql.begin(async (tx) => {
    const [{ id }] = await tx<[{ id: string }]>`
      insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
      values (${ada.organizationId}, ${ada.id}, ${agentId}, ${randomUUID()})
      returning id`;
    await tx`update public.executions set status = 'running' where id = ${id}`;
    await tx`
      insert into public.execution_steps (execution_id, sequence_number, attempt, step_name, step_type)
      values (${id}, 1, 1, 'Call', 'llm_call')`;
    await tx`select private.add_log(${id}, 'info', 'Hello')`;
    await tx`
      insert into public.execution_artifacts (execution_id, name, type, size_bytes, storage_path)
      values (${id}, 'answer.txt', 'text/plain', 2, ${`${ada.organizationId}/${id}/answer.txt`})`;
    await tx`
      insert into public.execution_approvals (execution_id, tool, expires_at)
      values (${id}, 'send_mail', now() + interval '1 hour')`;
    await tx`update public.executions set status = 'waiting' where id = ${id}`;
    return id;
  });
}

/** Joins the private channel of a run; `heard` collects what comes. */
async function join(person: Person, runId: string) {
  await person.client.realtime.setAuth();
  const heard: unknown[] = [];
  const channel = person.client.channel(`execution:${runId}`, { config: { private: true } });
  channel.on('broadcast', { event: '*' }, ({ payload }) => heard.push(payload));
  const status = await new Promise<string>((resolve) => channel.subscribe(resolve));
  return { status, heard, leave: () => person.client.removeChannel(channel) };
}

async function codeOf(request: PromiseLike<{ error: { details: string } | null }>) {
  return (await request).error?.details;
}
