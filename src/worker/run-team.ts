import { sql } from 'kysely';
import { z } from 'zod';
import { agentInputSchema, type AgentInput } from './compose-prompt.ts';
import { untilAnswered } from './database.ts';
import { RunFailure } from './failure.ts';
import { askModel, type Answer, type ModelQuestion } from './model-call.ts';
import { parseAnswer } from './model-stream.ts';
import { findModel } from './providers.ts';
import { questionOf, tokenReader } from './run-agent.ts';
import type { RunStage } from './run.ts';

/**
 * How often a coordinating leader may hand out tasks, one to each member, before it has to answer. The
 * same as private.leader_reservation and private.enqueue_execution hold money back for.
 */
const MOST_ROUNDS = 3;

/**
 * Runs a team within one run; members are steps with their model calls inside. `route`: one member
 * answers, and its answer is the team's. `coordinate`: the leader hands out tasks, again if it wants,
 * and makes one answer of the results. `collaborate`: all members do the same task at once, and the
 * leader compares. A member that fails fails the attempt: an answer that hides a gap would mislead.
 */
export async function runTeam(teamId: string, stage: RunStage): Promise<Answer> {
  const { run, lease } = stage;
  const team = await findTeam(teamId, stage);
  await lease.log(
    'info',
    `Attempt ${run.attempt} of ${run.max_attempts}: ${team.type} among ${team.members.length} members.`,
  );
  const work = new TeamWork(team, agentInputSchema.parse(run.input), stage);
  switch (team.type) {
    case 'route':
      return work.route();
    case 'coordinate':
      return work.coordinate();
    case 'collaborate':
      return work.collaborate();
  }
}

type Member = { slug: string; name: string; description: string; versionId: string };
type Team = {
  type: 'route' | 'coordinate' | 'collaborate';
  leader: { reference: string; prompt: string };
  members: Member[];
};
type Task = { member: Member; input: AgentInput };
type Result = Task & { answer: Answer };

async function findTeam(id: string, { database, signal }: RunStage): Promise<Team> {
  const team = await untilAnswered(
    () =>
      database
        .selectFrom('teams')
        .where('id', '=', id)
        .select(['type', 'leader_model', 'leader_prompt'])
        .executeTakeFirstOrThrow(),
    signal,
  );
  const members = await untilAnswered(
    () =>
      database
        .selectFrom('team_agents as m')
        .innerJoin('agents as a', 'a.id', 'm.agent_id')
        .where('m.team_id', '=', id)
        .where('a.deleted_at', 'is', null)
        .select(['a.slug', 'a.name', 'a.description', 'a.current_version_id as versionId'])
        .$narrowType<{ versionId: string }>()
        .where('a.current_version_id', 'is not', null)
        .orderBy('m.position')
        .execute(),
    signal,
  );
  if (members.length === 0) {
    throw new RunFailure('team_empty', 'The team has no member that could answer.');
  }
  return {
    type: team.type,
    leader: { reference: team.leader_model, prompt: team.leader_prompt },
    members,
  };
}

class TeamWork {
  readonly #team: Team;
  readonly #input: AgentInput;
  readonly #stage: RunStage;

  constructor(team: Team, input: AgentInput, stage: RunStage) {
    this.#team = team;
    this.#input = input;
    this.#stage = stage;
  }

  async route(): Promise<Answer> {
    const { member } = await this.#decide(
      'Choose a member',
      z.object({ member: this.#memberSchema }),
      `You lead a team of agents. Choose the one member who answers the user. You do not answer yourself.

${this.#roster()}

Answer with JSON alone: {"member": "<a name of the list>"}`,
      this.#request,
    );
    const task = await this.#prepare(this.#member(member), this.#input.message);
    return this.#ask(task, this.#stage, this.#stage.say);
  }

  async coordinate(): Promise<Answer> {
    const results: Result[] = [];
    for (let round = 1; round <= MOST_ROUNDS; round++) {
      const tasks = await this.#planRound(round, results);
      if (tasks.length === 0) break;
      results.push(...(await this.#askAll(tasks)));
    }
    return this.#synthesise(
      `You lead a team of agents. They have worked on tasks that you gave them. Make one answer to the \
user of their results: complete, without repetitions, without talking about the team. Where results \
contradict each other, say so.`,
      results,
    );
  }

  async collaborate(): Promise<Answer> {
    const { message } = this.#input;
    const results = await this.#askAll(
      await Promise.all(this.#team.members.map((member) => this.#prepare(member, message))),
    );
    return this.#synthesise(
      `You lead a team of agents. Each of them did the user's task, without knowing of the others. Make \
one answer of theirs: first what they agree on, then where they contradict each other, with their \
names, and what follows from it.`,
      results,
    );
  }

  /** What members are to do next; nothing when the results will do. The first round hands out something. */
  async #planRound(round: number, results: Result[]): Promise<Task[]> {
    const task = z.object({ member: this.#memberSchema, task: z.string() });
    const { tasks } = await this.#decide(
      `Hand out tasks, round ${round}`,
      z.object({ tasks: round === 1 ? z.array(task).min(1) : z.array(task) }),
      `You lead a team of agents. Divide the user's request into tasks for members whom it needs. A member \
sees its task and nothing else: put everything into it that it has to know. Tasks are done at the same \
time. There are ${MOST_ROUNDS} rounds at most, with one task for each member in each; this is round \
${round}.

${this.#roster()}

Answer with JSON alone: {"tasks": [{"member": "<a name of the list>", "task": "<what to do>"}]}${
        round === 1 ? '' : '\nWhen the results suffice for an answer, the list is empty.'
      }`,
      [this.#request, ...results.map(quoted)].join('\n\n'),
    );
    // Leaders give one member several all the same; together they are one question.
    const byMember = Map.groupBy(tasks, ({ member }) => member);
    return Promise.all(
      [...byMember].map(([member, own]) =>
        this.#prepare(this.#member(member), own.map(({ task }) => task).join('\n\n')),
      ),
    );
  }

  /** Has the leader decide in the given form; the decision is a step with its model call inside. */
  async #decide<Schema extends z.ZodType>(
    name: string,
    schema: Schema,
    instructions: string,
    request: string,
  ): Promise<z.infer<Schema>> {
    const { trace } = this.#stage;
    const question = { ...(await this.#leaderQuestion(instructions, request)), format: schema };
    return trace.step({ name, type: 'decision', input: { request } }, async (parentStepId) => {
      const { text } = await askModel(question, this.#stage, { parentStepId });
      return parseAnswer(text, schema, 'The model that leads the team');
    });
  }

  async #synthesise(instructions: string, results: Result[]): Promise<Answer> {
    const request = [this.#request, ...results.map(quoted)].join('\n\n');
    const question = await this.#leaderQuestion(instructions, request);
    return askModel(question, this.#stage, { onText: this.#stage.say });
  }

  async #leaderQuestion(instructions: string, request: string): Promise<ModelQuestion> {
    const { reference, prompt } = this.#team.leader;
    return {
      reference,
      model: await findModel(reference, {
        environment: this.#stage.settings.providers,
        readToken: tokenReader(this.#stage),
        baseUrl: undefined,
        parameters: this.#input.parameters,
      }),
      prompt: {
        system: [instructions, prompt].filter((text) => text.trim() !== '').join('\n\n'),
        user: request,
      },
    };
  }

  /** All at once; the first that fails ends the others, whose answers nobody would read. */
  async #askAll(tasks: Task[]): Promise<Result[]> {
    const failed = new AbortController();
    const stage = {
      ...this.#stage,
      signal: AbortSignal.any([this.#stage.signal, failed.signal]),
    };
    const outcomes = await Promise.allSettled(
      tasks.map((task) =>
        this.#ask(task, stage).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    this.#stage.signal.throwIfAborted();
    failed.signal.throwIfAborted();
    return tasks.map((task, index) => ({
      ...task,
      answer: (outcomes[index] as PromiseFulfilledResult<Answer>).value,
    }));
  }

  /** Has a member do a task, in a step of its own. */
  async #ask(
    { member, input }: Task,
    stage: RunStage,
    onText?: (text: string) => void,
  ): Promise<Answer> {
    let answer: Answer | undefined;
    try {
      await stage.trace.step(
        {
          name: member.name,
          type: 'a2a_call',
          input: { agent: member.slug, agent_version_id: member.versionId, ...input },
        },
        async (parentStepId) => {
          const question = await questionOf(member.versionId, input, stage);
          answer = await askModel(question, stage, { parentStepId, onText });
          return { text: answer.text, finish_reason: answer.finishReason };
        },
      );
      return answer!;
    } catch (error) {
      throw error instanceof RunFailure ? error.about(member.name) : error;
    }
  }

  /** A task with those of the run's parameters that the member has, and the defaults of the others. */
  async #prepare(member: Member, message: string): Promise<Task> {
    const { database, signal } = this.#stage;
    const given = JSON.stringify(this.#input.parameters);
    try {
      const { rows } = await untilAnswered(
        () =>
          sql<{ parameters: Record<string, unknown> }>`
            select private.resolve_parameters(v.parameters, (
              select coalesce(jsonb_object_agg(g.key, g.value), '{}')
              from jsonb_each(${given}::text::jsonb) as g
              where exists (
                select from jsonb_array_elements(v.parameters) as p (definition)
                where p.definition ->> 'name' = g.key))) as parameters
            from public.agent_versions as v
            where v.id = ${member.versionId}`.execute(database),
        signal,
      );
      return { member, input: { message, parameters: rows[0]!.parameters } };
    } catch (error) {
      const { code, message: problem } = error as { code?: unknown; message: string };
      if (code !== 'PT400') throw error;
      throw new RunFailure('input_invalid', `${member.name}: ${problem}`, { cause: error });
    }
  }

  get #memberSchema() {
    return z.enum(this.#team.members.map(({ slug }) => slug));
  }

  #member(slug: string): Member {
    return this.#team.members.find((member) => member.slug === slug)!;
  }

  #roster(): string {
    const lines = this.#team.members.map(({ slug, name, description }) =>
      [`- ${slug}: ${name}`, description.trim()].filter(Boolean).join('. '),
    );
    return `The members, by name:\n${lines.join('\n')}`;
  }

  /** What the user wants, as the leader reads it. */
  get #request(): string {
    const { message, parameters } = this.#input;
    return (
      [
        message.trim() && message,
        Object.keys(parameters).length > 0 && `Parameters: ${JSON.stringify(parameters)}`,
      ]
        .filter(Boolean)
        .join('\n\n') || 'The user sent no message.'
    );
  }
}

function quoted({ member, input, answer }: Result): string {
  return `<result member="${member.slug}">
<task>${input.message}</task>
<answer>${answer.text}</answer>
</result>`;
}
