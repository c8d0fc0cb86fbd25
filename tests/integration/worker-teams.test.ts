import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelServer, type Answer } from '../support/model-server.ts';
import { createDatabase } from '../support/stack.ts';
import { Workshop, type StepRow } from '../support/workshop.ts';

let server: ModelServer;
let workshop: Workshop;
let dropDatabase: () => Promise<void>;

beforeAll(async () => {
  server = await ModelServer.start();
  const database = await createDatabase();
  dropDatabase = database.drop;
  workshop = await Workshop.open(database.url);
  await workshop.startWorker({
    OPENAI_API_KEY: 'sk-of-the-operator',
    OPENAI_BASE_URL: server.url,
    OPENAI_COMPATIBLE_BASE_URL: server.url,
    WORKER_CONCURRENCY: '16',
  });
});
afterAll(async () => {
  await workshop?.close();
  await dropDatabase?.();
  await server?.stop();
});

const say = (text: string): Answer => ({ kind: 'stream', chunks: text.split(/(?<= )/) });
const decide = (decision: unknown) => say(JSON.stringify(decision));

/** Members and leader have models of their own, named for the test, scripted as given. */
async function teamOf(
  type: 'route' | 'coordinate' | 'collaborate',
  test: string,
  members: Record<string, Answer[]>,
  leader: Answer[],
  provider = 'openai-compatible',
) {
  server.script(`${test}-leader`, ...leader);
  const agentIds: string[] = [];
  for (const [name, answers] of Object.entries(members)) {
    server.script(`${test}-${name}`, ...answers);
    agentIds.push(
      await workshop.createAgent({
        model: `openai-compatible/${test}-${name}`,
        name: `${test} ${name}`,
        description: `Knows of ${name}.`,
      }),
    );
  }
  return workshop.createTeam(
    { type, leader_model: `${provider}/${test}-leader`, leader_prompt: 'Be fair.' },
    agentIds,
  );
}

async function run(
  teamId: string,
  input: Record<string, unknown> = { message: 'How tall is it?' },
) {
  const id = await workshop.runTeam(teamId, input);
  const ended = await workshop.ended(id);
  return { id, run: ended, steps: await workshop.steps(id) };
}

/** The trace as a tree of names. */
function tree(steps: StepRow[], parent: string | null = null): unknown[] {
  return steps
    .filter((step) => step.parent_step_id === parent)
    .map((step) => {
      const inside = tree(steps, step.id);
      const label = `${step.step_type} ${step.step_name}`;
      return inside.length > 0 ? [label, ...inside] : label;
    });
}

function messagesTo(model: string, index = 0): { role: string; content: string }[] {
  return server.requests(model)[index]!.body.messages as never;
}

describe.concurrent('a team', { timeout: 60_000 }, () => {
  test('that routes has exactly one member answer, whose answer goes out unchanged', async () => {
    const teamId = await teamOf(
      'route',
      'route',
      { poet: [say('Roses are red.')], geometer: [say('It is  *exactly* 5 m.\n')] },
      [decide({ member: 'route-geometer' })],
    );
    const { id, run: ended, steps } = await run(teamId);

    expect(ended).toMatchObject({
      status: 'completed',
      output: { text: 'It is  *exactly* 5 m.\n', finish_reason: 'stop' },
    });
    expect(await workshop.watchedText(id)).toBe('It is  *exactly* 5 m.\n');
    expect(tree(steps)).toEqual([
      ['decision Choose a member', 'llm_call Call openai-compatible/route-leader'],
      ['a2a_call route geometer', 'llm_call Call openai-compatible/route-geometer'],
    ]);
    expect(steps.every(({ status }) => status === 'completed')).toBe(true);
    expect(steps[0]!.output).toEqual({ member: 'route-geometer' });
    expect(server.requests('route-poet')).toEqual([]);
    // 7 tokens in for each of the two calls.
    expect(ended.prompt_tokens).toBe(14);

    const [system, user] = messagesTo('route-leader');
    expect(system!.content).toContain('- route-poet: route poet. Knows of poet.');
    expect(system!.content).toContain('Be fair.');
    expect(user!.content).toBe('How tall is it?');
    expect(messagesTo('route-geometer')).toEqual([
      { role: 'system', content: 'You are terse.' },
      { role: 'user', content: 'How tall is it?' },
    ]);
  });

  test('asks a provider that can be held to a form for that form', async () => {
    const teamId = await teamOf(
      'route',
      'strict',
      { one: [say('One.')], two: [say('Two.')] },
      [decide({ member: 'strict-two' })],
      'openai',
    );
    expect((await run(teamId)).run.output?.text).toBe('Two.');
    expect(server.requests('strict-leader')[0]!.body.response_format).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: { properties: { member: { enum: ['strict-one', 'strict-two'] } } } },
    });
  });

  test('that coordinates hands out tasks, may hand out more, and makes one answer', async () => {
    const teamId = await teamOf(
      'coordinate',
      'coordinate',
      { surveyor: [say('12 m.'), say('13 m with the mast.')], historian: [say('Built 1901.')] },
      [
        decide({
          tasks: [
            { member: 'coordinate-surveyor', task: 'Measure the tower.' },
            { member: 'coordinate-historian', task: 'When was it built?' },
          ],
        }),
        decide({ tasks: [{ member: 'coordinate-surveyor', task: 'With the mast?' }] }),
        decide({ tasks: [] }),
        say('A tower of 13 m from 1901.'),
      ],
    );
    const { id, run: ended, steps } = await run(teamId);

    expect(ended).toMatchObject({
      status: 'completed',
      output: { text: 'A tower of 13 m from 1901.' },
    });
    expect(await workshop.watchedText(id)).toBe('A tower of 13 m from 1901.');
    expect(
      steps.filter(({ parent_step_id }) => !parent_step_id).map((step) => step.step_name),
    ).toEqual([
      'Hand out tasks, round 1',
      'coordinate surveyor',
      'coordinate historian',
      'Hand out tasks, round 2',
      'coordinate surveyor',
      'Hand out tasks, round 3',
      'Call openai-compatible/coordinate-leader',
    ]);
    expect(messagesTo('coordinate-surveyor', 1).at(-1)!.content).toBe('With the mast?');
    const results = messagesTo('coordinate-leader', 3).at(-1)!.content;
    for (const answer of ['12 m.', 'Built 1901.', '13 m with the mast.']) {
      expect(results).toContain(`<answer>${answer}</answer>`);
    }
  });

  test('that coordinates asks a member once a round, whatever its leader hands out', async () => {
    const tasks = ['Measure.', 'Weigh.'].map((task) => ({ member: 'eager-worker', task }));
    const teamId = await teamOf('coordinate', 'eager', { worker: [say('Done.')] }, [
      decide({ tasks }),
      decide({ tasks: [] }),
      say('All done.'),
    ]);
    expect((await run(teamId)).run.status).toBe('completed');
    expect(messagesTo('eager-worker').at(-1)!.content).toBe('Measure.\n\nWeigh.');
    expect(server.requests('eager-worker')).toHaveLength(1);
  });

  test('that coordinates stops handing out tasks after three rounds', async () => {
    const again = decide({ tasks: [{ member: 'restless-worker', task: 'Again.' }] });
    const teamId = await teamOf('coordinate', 'restless', { worker: [say('Done.')] }, [
      again,
      again,
      again,
      say('Enough.'),
    ]);
    const { run: ended } = await run(teamId);
    expect(ended).toMatchObject({ status: 'completed', output: { text: 'Enough.' } });
    expect(server.requests('restless-worker')).toHaveLength(3);
  });

  test('that collaborates asks all members the same at once and compares', async () => {
    const slowly = (text: string): Answer => ({ kind: 'stream', chunks: [text], pauseMs: 300 });
    const teamId = await teamOf(
      'collaborate',
      'collaborate',
      { optimist: [slowly('It will rise.')], pessimist: [slowly('It will fall.')] },
      [say('They contradict each other.')],
    );
    const { id, run: ended } = await run(teamId, { message: 'Rise or fall?' });

    expect(ended).toMatchObject({
      status: 'completed',
      output: { text: 'They contradict each other.' },
    });
    for (const member of ['collaborate-optimist', 'collaborate-pessimist']) {
      expect(messagesTo(member).at(-1)!.content).toBe('Rise or fall?');
      expect(messagesTo('collaborate-leader').at(-1)!.content).toContain(`member="${member}"`);
    }
    const [row] = await workshop.sql`
      select max(started_at) < min(completed_at) as at_once from public.execution_steps
      where execution_id = ${id} and step_type = 'a2a_call'`;
    expect(row).toEqual({ at_once: true });
  });

  test('gives each member those of the parameters that it has, with the defaults of the others', async () => {
    const agentId = await workshop.createAgent({ model: 'demo/echo', name: 'Greeter' });
    await workshop.sql`
      insert into public.agent_parameters (agent_id, name, type, required, default_value)
      values (${agentId}, 'name', 'string', true, null), (${agentId}, 'tone', 'string', false, '"warm"')`;
    await workshop.publish(agentId);
    const teamId = await workshop.createTeam({ type: 'route', leader_model: 'demo/echo' }, [
      agentId,
    ]);

    const { run: ended, steps } = await run(teamId, {
      message: 'Greet.',
      parameters: { name: 'Ada', colour: 'red' },
    });
    expect(ended.status).toBe('completed');
    expect(steps.find((step) => step.step_type === 'a2a_call')!.input).toMatchObject({
      parameters: { name: 'Ada', tone: 'warm' },
    });

    expect((await run(teamId, { message: 'Greet.' })).run).toMatchObject({
      status: 'failed',
      error_code: 'input_invalid',
      error_message: 'Greeter: The parameter "name" is missing.',
    });
  });

  test.each(['route', 'coordinate', 'collaborate'])(
    'led by demo/echo can %s, the same every time, and says what answered',
    async (type) => {
      const agentIds = [
        await workshop.createAgent({ model: 'demo/echo', name: `Echo ${type} one` }),
        await workshop.createAgent({ model: 'demo/echo', name: `Echo ${type} two` }),
      ];
      const teamId = await workshop.createTeam({ type, leader_model: 'demo/echo' }, agentIds);
      const [first, second] = [await run(teamId), await run(teamId)];

      expect(first.run).toMatchObject({ status: 'completed' });
      expect(Number(first.run.cost_usd)).toBe(0);
      expect(first.run.output?.text).toContain('Offline demo model');
      expect(second.run.output).toEqual(first.run.output);
      const asked = first.steps.filter((step) => step.step_type === 'a2a_call');
      expect(asked.map((step) => step.step_name)).toEqual(
        type === 'collaborate'
          ? ['Echo collaborate one', 'Echo collaborate two']
          : [`Echo ${type} one`],
      );
    },
  );

  test('fails with its member, names it, and ends the calls of the others', async () => {
    const long = Array.from({ length: 100 }, (_, index) => `word${index} `);
    const teamId = await teamOf(
      'collaborate',
      'broken',
      {
        quick: [{ kind: 'stream', chunks: ['I', '…'], pauseMs: 300, finish: 'content_filter' }],
        slow: [{ kind: 'stream', chunks: long, pauseMs: 100 }],
      },
      [say('Never said.')],
    );
    const { run: ended, steps } = await run(teamId);

    expect(ended).toMatchObject({
      status: 'failed',
      error_code: 'provider_refused',
      error_message: expect.stringMatching(/^broken quick: The model declined/),
      attempt: 1,
    });
    expect(steps.filter((step) => step.step_type === 'a2a_call')).toMatchObject([
      { step_name: 'broken quick', status: 'failed' },
      { step_name: 'broken slow', status: 'failed' },
    ]);
    expect(server.requests('broken-leader')).toEqual([]);
    await workshop.until(
      async () => server.abandoned('broken-slow'),
      (calls) => calls === 1,
    );
  });

  test('is tried again as a whole when a member may do better later', async () => {
    const teamId = await teamOf(
      'route',
      'shaky',
      { member: [{ kind: 'cut', chunks: ['Hel'] }, say('Hello.')] },
      [decide({ member: 'shaky-member' })],
    );
    const { id, run: ended } = await run(teamId);
    expect(ended).toMatchObject({ status: 'completed', attempt: 2, output: { text: 'Hello.' } });
    expect(await workshop.watchedText(id)).toBe('Hello.');
  });

  test('understands a decision within a fence', async () => {
    const teamId = await teamOf('route', 'fenced', { member: [say('Hello.')] }, [
      say('```json\n{"member": "fenced-member"}\n```'),
    ]);
    expect((await run(teamId)).run.output?.text).toBe('Hello.');
  });

  test.each(['I would ask the member.', '{"member": "somebody-else"}', '{}'])(
    'fails on the decision %j',
    async (decision) => {
      const name = `undecided${decision.length}`;
      const teamId = await teamOf('route', name, { member: [say('Hello.')] }, [say(decision)]);
      const { run: ended, steps } = await run(teamId);
      expect(ended).toMatchObject({ status: 'failed', error_code: 'provider_bad_response' });
      expect(steps).toMatchObject([
        { step_type: 'decision', status: 'failed' },
        { step_type: 'llm_call', status: 'completed' },
      ]);
    },
  );
});

test('a workflow fails at once, and says why', async () => {
  const id = await workshop.runWorkflow({
    nodes: [
      { id: '__start__', type: 'start' },
      { id: '__end__', type: 'end' },
    ],
    edges: [{ source: '__start__', target: '__end__' }],
  });
  expect(await workshop.ended(id)).toMatchObject({
    status: 'failed',
    error_code: 'target_unsupported',
    attempt: 1,
  });
});
