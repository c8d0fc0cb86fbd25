import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { operator, signUp, visitor, type Person } from '../support/stack.ts';

/** Conversations, teams and usage as people and programs meet them: supabase-js, REST, Storage. */
let ada: Person;
let ben: Person;
let agentId: string;
let conversationId: string;
const sql = postgres(inject('databaseUrl'), { max: 1 });

beforeAll(async () => {
  [ada, ben] = await Promise.all([signUp('ada'), signUp('ben')]);
  const { data: agent } = await ada.client
    .from('agents')
    .insert({ organization_id: ada.organizationId, name: 'Librarian', system_prompt: 'You help.' })
    .select('id')
    .single()
    .throwOnError();
  agentId = agent.id;
  await ada.client.rpc('publish_agent_version', { agent_id: agentId }).throwOnError();
  await ada.client
    .from('agent_shares')
    .insert({ agent_id: agentId, user_id: ben.id })
    .throwOnError();
});
afterAll(() => sql.end());

it('a guest talks with an agent that is shared with them, files included', async () => {
  const { data: conversation } = await ben.client
    .from('conversations')
    .insert({ agent_id: agentId })
    .select()
    .single()
    .throwOnError();
  conversationId = conversation.id;
  expect(conversation).toMatchObject({ organization_id: ada.organizationId, title: null });

  const path = `${ada.organizationId}/${conversationId}/list.txt`;
  const files = ben.client.storage.from('attachments');
  expect((await files.upload(path, new Blob(['Emma'], { type: 'text/plain' }))).error).toBeNull();
  expect(
    (await files.upload(`${path}.html`, new Blob(['<p>'], { type: 'text/html' }))).error,
  ).not.toBeNull();

  const { data: message } = await ben.client
    .rpc('send_message', {
      conversation_id: conversationId,
      content: 'Which of these do you have?',
      attachments: [{ path }],
    })
    .throwOnError();
  expect(message).toMatchObject({
    sequence_number: 1,
    sender_type: 'user',
    attachments: [{ path, name: 'list.txt', type: 'text/plain', size_bytes: 4 }],
  });
});

it('the answer of the run stands in the conversation, and can be judged', async () => {
  const [run] = await sql`
    select e.id from public.executions as e where e.conversation_id = ${conversationId}`;
  await sql`update public.executions set status = 'running' where id = ${run!['id']}`;
  await sql`update public.executions set status = 'completed', output = '{"text": "Emma."}' where id = ${run!['id']}`;

  const { data: messages } = await ben.client
    .from('messages')
    .select('sequence_number, sender_type, content, execution(id, status)')
    .eq('conversation_id', conversationId)
    .order('sequence_number')
    .throwOnError();
  expect(messages.map(({ sender_type, content }) => [sender_type, content])).toEqual([
    ['user', 'Which of these do you have?'],
    ['agent', 'Emma.'],
  ]);
  expect(messages.map(({ execution }) => execution)).toEqual(
    Array(2).fill({ id: run!['id'], status: 'completed' }),
  );
  const judge = () =>
    ben.client
      .from('messages')
      .update({ feedback: 'good', feedback_note: 'Quick.' })
      .eq('conversation_id', conversationId)
      .select('sender_type');
  expect((await judge().throwOnError()).data).toEqual([{ sender_type: 'agent' }]);
});

it('the owner of the agent reads what it cost, and not a word', async () => {
  for (const table of ['conversations', 'messages', 'executions', 'execution_events'] as const) {
    expect((await ada.client.from(table).select().throwOnError()).data).toEqual([]);
  }
  const { data: usage } = await ada.client
    .from('execution_usage')
    .select()
    .eq('organization_id', ada.organizationId)
    .throwOnError();
  expect(usage).toMatchObject([{ user_id: ben.id, target_id: agentId, status: 'completed' }]);
  expect(JSON.stringify(usage)).not.toContain('Emma');
  expect((await ben.client.from('execution_usage').select().throwOnError()).data).toEqual([]);

  const path = `${ada.organizationId}/${conversationId}/list.txt`;
  expect((await ada.client.storage.from('attachments').download(path)).error).not.toBeNull();
  expect((await ben.client.storage.from('attachments').download(path)).error).toBeNull();
});

it('nobody speaks in somebody else’s conversation', async () => {
  for (const client of [ada.client, operator()]) {
    const { error } = await client.rpc('send_message', {
      conversation_id: conversationId,
      content: 'Psst.',
    });
    expect(error).not.toBeNull();
  }
  const { status } = await visitor().from('conversations').select();
  expect(status).toBe(401);
});

it('whoever has talked takes everything back, files first', async () => {
  const { data: removed } = await ben.client.storage
    .from('attachments')
    .remove([`${ada.organizationId}/${conversationId}/list.txt`]);
  expect(removed?.length).toBe(1);
  await ben.client.from('conversations').delete().eq('id', conversationId).throwOnError();
  expect((await ben.client.from('messages').select().throwOnError()).data).toEqual([]);
});

it('a team and a workflow run like an agent, each refusing with its own code', async () => {
  const { data: team } = await ada.client
    .from('teams')
    .insert({ organization_id: ada.organizationId, name: 'Desk', type: 'route' })
    .select()
    .single()
    .throwOnError();
  const empty = await ada.client.rpc('run_team', { team_id: team.id });
  expect(empty).toMatchObject({ status: 409, error: { details: 'team_empty' } });
  await ada.client
    .from('team_agents')
    .insert({ team_id: team.id, agent_id: agentId, position: 0 })
    .throwOnError();
  const { data: run } = await ada.client
    .rpc('run_team', { team_id: team.id, input: { message: 'Who knows Emma?' } })
    .throwOnError();
  expect(run).toMatchObject({ target_type: 'team', target_id: team.id, status: 'pending' });
  const { data: read } = await ada.client
    .from('executions')
    .select('status, team(name), agent(name)')
    .eq('id', run.id)
    .single()
    .throwOnError();
  expect(read).toEqual({ status: 'pending', team: { name: 'Desk' }, agent: null });
  expect((await ben.client.rpc('run_team', { team_id: team.id })).error).toMatchObject({
    details: 'team_not_found',
  });

  const { data: workflow } = await ada.client
    .from('workflows')
    .insert({
      organization_id: ada.organizationId,
      name: 'Chain',
      definition: {
        nodes: [
          { id: '__start__', type: 'start' },
          { id: 'ask', type: 'agent', data: { agent_id: agentId } },
          { id: '__end__', type: 'end' },
        ],
        edges: [
          { source: '__start__', target: 'ask' },
          { source: 'ask', target: '__end__' },
        ],
      },
    })
    .select()
    .single()
    .throwOnError();
  const { data: chain } = await ada.client
    .rpc('run_workflow', { workflow_id: workflow.id, input: { message: 'Go' } })
    .throwOnError();
  expect(chain).toMatchObject({ target_type: 'workflow', status: 'pending' });
  expect((await ben.client.rpc('run_workflow', { workflow_id: workflow.id })).error).toMatchObject({
    details: 'workflow_not_found',
  });
});
