import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateKey } from 'openpgp';
import postgres from 'postgres';

/** Often enough for people, and no load on a machine where many tests wait at once. */
const POLL_MS = 100;

export type AgentDraft = {
  model: string;
  name?: string;
  description?: string;
  system_prompt?: string;
  user_prompt_template?: string | null;
  temperature?: number | null;
  max_tokens?: number | null;
  configuration?: Record<string, unknown>;
};

/** A message with a file that Storage knows, though nobody uploaded it. */
export type FileMessage = { content: string; file?: { name: string; type: string; size: number } };

export type ExecutionRow = {
  status: string;
  attempt: number;
  output: { text: string; finish_reason: string } | null;
  error_code: string | null;
  error_message: string | null;
  prompt_tokens: number;
  completion_tokens: number;
  cost_usd: string | null;
};

export type StepRow = {
  id: string;
  parent_step_id: string | null;
  attempt: number;
  step_name: string;
  step_type: string;
  status: string;
  model: string | null;
  input: { messages: { role: string; content: string }[] };
  output: { text: string } | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  error_message: string | null;
};

/**
 * A person with an organization, agents and runs in a database of the test's own, and the workers that
 * carry the runs out. What the person does goes through the public functions, as that person.
 */
export class Workshop {
  readonly sql: postgres.Sql;
  readonly #databaseUrl: string;
  readonly #workers: WorkerProcess[] = [];
  #userId = '';
  #organizationId = '';
  #keyFolder: string | undefined;

  private constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
    this.sql = postgres(databaseUrl, { max: 4, onnotice: () => {} });
  }

  static async open(databaseUrl: string): Promise<Workshop> {
    const workshop = new Workshop(databaseUrl);
    const [user] = await workshop.sql`
      insert into auth.users
        (id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
      values (gen_random_uuid(), 'authenticated', 'authenticated', ${`${randomUUID()}@example.com`},
        now(), '{}', '{}')
      returning id`;
    workshop.#userId = user!.id;
    const [membership] = await workshop.sql`
      select organization_id from public.organization_members where user_id = ${workshop.#userId}`;
    workshop.#organizationId = membership!.organization_id;
    await workshop.sql`
      update public.organizations set max_agents = 1000 where id = ${workshop.#organizationId}`;
    return workshop;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill('SIGKILL')));
    await this.sql.end({ timeout: 1 });
    if (this.#keyFolder) await rm(this.#keyFolder, { recursive: true, force: true });
  }

  /** In the order in which they were started. */
  get workers(): readonly WorkerProcess[] {
    return this.#workers;
  }

  get organizationId(): string {
    return this.#organizationId;
  }

  /** A key pair for the database; answers the file of the private key, for workers. */
  async createKeyPair(): Promise<string> {
    const pair = await generateKey({ type: 'rsa', rsaBits: 3072, userIDs: [{ name: 'test' }] });
    this.#keyFolder = await mkdtemp(join(tmpdir(), 'agentry-keys-'));
    const file = join(this.#keyFolder, 'key.asc');
    await writeFile(file, pair.privateKey, { mode: 0o600 });
    await this.sql`select private.set_encryption_key('test', ${pair.publicKey})`;
    return file;
  }

  async startWorker(environment: Record<string, string> = {}): Promise<WorkerProcess> {
    const worker = await WorkerProcess.start({ DATABASE_URL: this.#databaseUrl, ...environment });
    this.#workers.push(worker);
    return worker;
  }

  /** A published agent; variables hold whatever JSON they are given. */
  async createAgent(draft: AgentDraft, variables: Record<string, unknown> = {}): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [agent] = await sql`
        insert into public.agents ${sql({
          organization_id: this.#organizationId,
          name: 'Scripted',
          system_prompt: 'You are terse.',
          ...draft,
        } as never)} returning id`;
      for (const [name, value] of Object.entries(variables)) {
        await sql`
          insert into public.agent_variables (agent_id, name, value)
          values (${agent!.id}, ${name}, ${sql.json(value as never)})`;
      }
      await sql`select public.publish_agent_version(${agent!.id}::uuid)`;
      return agent!.id as string;
    });
  }

  async publish(agentId: string): Promise<void> {
    await this.#asPerson((sql) => sql`select public.publish_agent_version(${agentId}::uuid)`);
  }

  async run(
    agentId: string,
    input: Record<string, unknown> = { message: 'Hello?' },
  ): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [run] = await sql`
        select id from public.run_agent(${agentId}::uuid, ${sql.json(input as never)})`;
      return run!.id as string;
    });
  }

  async createTeam(
    team: { type: string; leader_model: string; leader_prompt?: string },
    agentIds: string[],
  ): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [made] = await sql`
        insert into public.teams ${sql({
          organization_id: this.#organizationId,
          name: 'Team',
          ...team,
        } as never)} returning id`;
      for (const [position, agentId] of agentIds.entries()) {
        await sql`
          insert into public.team_agents (team_id, agent_id, position)
          values (${made!.id}, ${agentId}, ${position})`;
      }
      return made!.id as string;
    });
  }

  async runTeam(teamId: string, input: Record<string, unknown>): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [run] = await sql`
        select id from public.run_team(${teamId}::uuid, ${sql.json(input as never)})`;
      return run!.id as string;
    });
  }

  /** A run of a new workflow with this definition. */
  async runWorkflow(definition: Record<string, unknown>): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [workflow] = await sql`
        insert into public.workflows (organization_id, name, definition)
        values (${this.#organizationId}, 'Workflow', ${sql.json(definition as never)}) returning id`;
      const [run] = await sql`select id from public.run_workflow(${workflow!.id}::uuid)`;
      return run!.id as string;
    });
  }

  /** A run of a new suite that asks the agent one thing, to be scored by this rubric. */
  async examine(
    agentId: string,
    { message, ...test }: { message: string; expected_output?: string; scoring_rubric: object },
  ): Promise<string> {
    return this.#asPerson(async (sql) => {
      const [suite] = await sql`
        insert into public.eval_suites (organization_id, agent_id, name)
        values (${this.#organizationId}, ${agentId}, 'Suite') returning id`;
      await sql`
        insert into public.eval_test_cases
          (suite_id, name, input, expected_output, scoring_rubric)
        values (${suite!.id}, 'Case', ${sql.json({ message })},
          ${sql.json(test.expected_output ?? null)}, ${sql.json(test.scoring_rubric as never)})`;
      const [run] = await sql`select id from public.run_eval_suite(${suite!.id}::uuid)`;
      return run!.id as string;
    });
  }

  /** Says things to an agent in one conversation; answers with the runs that reply to them. */
  async say(agentId: string, ...messages: (string | FileMessage)[]): Promise<string[]> {
    const conversationId = await this.#asPerson(async (sql) => {
      const [conversation] = await sql`
        insert into public.conversations (agent_id) values (${agentId}) returning id`;
      return conversation!.id as string;
    });
    const folder = `${this.#organizationId}/${conversationId}`;
    const said = messages.map((it) => (typeof it === 'string' ? { content: it } : it));
    for (const { file } of said) {
      if (!file) continue;
      const metadata = { mimetype: file.type, size: file.size };
      await this.sql`
        insert into storage.objects (bucket_id, name, metadata)
        values ('attachments', ${`${folder}/${file.name}`}, ${this.sql.json(metadata)})`;
    }
    return this.#asPerson(async (sql) => {
      const runs: string[] = [];
      for (const { content, file } of said) {
        const attachments = file ? [{ path: `${folder}/${file.name}` }] : [];
        const [message] = await sql`
          select execution_id
          from public.send_message(
            ${conversationId}::uuid, ${content}, ${sql.json(attachments)})`;
        runs.push(message!.execution_id);
      }
      return runs;
    });
  }

  async cancel(executionId: string): Promise<void> {
    await this.#asPerson((sql) => sql`select public.cancel_execution(${executionId}::uuid)`);
  }

  async setToken(key: string, value: string, owner: 'user' | 'organization'): Promise<void> {
    const organizationId = owner === 'organization' ? this.#organizationId : null;
    await this.#asPerson(
      (sql) => sql`select public.set_token(${key}, ${value}, ${organizationId}::uuid)`,
    );
  }

  async createApiKey(scopes: string[]): Promise<{ id: string; key: string }> {
    return this.#asPerson(async (sql) => {
      const [made] = await sql<{ id: string; key: string }[]>`
        select id, key from public.create_api_key(${this.#organizationId}::uuid, 'Key', ${scopes})`;
      return made!;
    });
  }

  async createWebhook(url: string, events: string[]): Promise<{ id: string; secret: string }> {
    return this.#asPerson(async (sql) => {
      const [made] = await sql<{ id: string; secret: string }[]>`
        select id, secret from public.create_webhook(${this.#organizationId}::uuid, ${url}, ${events})`;
      return made!;
    });
  }

  async execution(id: string): Promise<ExecutionRow> {
    const [row] = await this.sql<ExecutionRow[]>`
      select status, attempt, output, error_code, error_message, prompt_tokens, completion_tokens,
        cost_usd
      from public.executions where id = ${id}`;
    return row!;
  }

  steps(id: string) {
    return this.sql<StepRow[]>`
      select id, parent_step_id, attempt, step_name, step_type, status, model, input, output,
        prompt_tokens, completion_tokens, error_message
      from public.execution_steps where execution_id = ${id} order by sequence_number`;
  }

  async logLines(id: string): Promise<string[]> {
    const rows = await this.sql`
      select level, message from public.execution_logs
      where execution_id = ${id} order by sequence_number`;
    return rows.map(({ level, message }) => `${level}: ${message}`);
  }

  /** What somebody who watches the run has on the screen after the last event. */
  async watchedText(id: string): Promise<string> {
    return (await this.deltas(id)).reduce(
      (text, delta) => (delta.reset ? delta.text : text + delta.text),
      '',
    );
  }

  async deltas(id: string): Promise<{ text: string; reset?: true }[]> {
    const rows = await this.sql`
      select payload from public.execution_events
      where execution_id = ${id} and kind = 'delta' order by seq`;
    return rows.map(({ payload }) => payload);
  }

  /** Waits until the run has ended, and answers its row. */
  async ended(id: string, withinMs = 20_000): Promise<ExecutionRow> {
    return this.until(
      () => this.execution(id),
      (run) => ['completed', 'failed', 'cancelled'].includes(run.status),
      withinMs,
    );
  }

  /** Waits until somebody who watches the run sees this text. */
  async streamed(id: string, text: string): Promise<void> {
    await this.until(
      () => this.watchedText(id),
      (seen) => seen.includes(text),
    );
  }

  async until<T>(
    read: () => Promise<T>,
    holds: (value: T) => boolean,
    withinMs = 20_000,
  ): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      if (Date.now() > deadline) {
        const output = this.#workers.map((worker) => worker.output.join('\n')).join('\n---\n');
        throw new Error(`Waited ${withinMs} ms in vain: ${JSON.stringify(value)}\n${output}`);
      }
      await delay(POLL_MS);
    }
  }

  async #asPerson<T>(work: (sql: postgres.TransactionSql) => Promise<T>): Promise<T> {
    const claims = JSON.stringify({ sub: this.#userId, role: 'authenticated' });
    return (await this.sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', ${claims}, true)`;
      await sql`set local role authenticated`;
      return work(sql);
    })) as T;
  }
}

/** `npm run worker` without npm in between, so that signals reach it. */
export class WorkerProcess {
  readonly output: string[] = [];
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;

  private constructor(environment: Record<string, string>) {
    this.#child = spawn(process.execPath, ['src/worker/worker.ts'], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        WORKER_RETRY_MS: '200',
        ...environment,
      },
      // By the channel it notices when the test run dies, and goes too.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.output.push(line));
    }
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null);
  }

  static async start(environment: Record<string, string>): Promise<WorkerProcess> {
    const worker = new WorkerProcess(environment);
    await Promise.race([
      worker.saying('worker started'),
      worker.exited.then(() => {
        throw new Error(`The worker ended at once:\n${worker.output.join('\n')}`);
      }),
    ]);
    return worker;
  }

  /** Waits until the worker logs a message. */
  async saying(message: string, withinMs = 30_000): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!this.output.some((line) => line.includes(`"message":"${message}"`))) {
      if (Date.now() > deadline) {
        throw new Error(`The worker never said "${message}":\n${this.output.join('\n')}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Sends a signal and waits until the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.exited;
  }
}
