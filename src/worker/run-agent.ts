import { sql } from 'kysely';
import { z } from 'zod';
import {
  agentInputSchema,
  attachmentsSchema,
  composePrompt,
  withAttachments,
  type AgentInput,
  type Turn,
} from './compose-prompt.ts';
import { untilAnswered } from './database.ts';
import { askModel, type Answer, type ModelQuestion } from './model-call.ts';
import { findModel } from './providers.ts';
import type { RunStage } from './run.ts';
import { resolveTokens, type ReadToken } from './secrets.ts';

/** Runs an agent as its version was frozen: renders the prompt, calls the model, streams the answer. */
export async function runAgent(versionId: string, stage: RunStage): Promise<Answer> {
  const { run, lease, say } = stage;
  const input = agentInputSchema.parse(run.input);
  const { history, files } = await conversationOf(stage);
  const message = withAttachments(input.message, files);
  const question = await questionOf(versionId, { ...input, message }, stage);
  question.prompt.history = history;
  await lease.log(
    'info',
    `Attempt ${run.attempt} of ${run.max_attempts}: calling ${question.reference}.`,
  );
  return askModel(question, stage, { onText: say });
}

type Conversation = {
  /** What was said before, oldest first. */
  history: Turn[];
  /** That came with the message which the run answers. */
  files: z.infer<typeof attachmentsSchema>;
};

type Message = {
  execution_id: string;
  sender_type: 'user' | 'agent';
  content: string;
  attachments: unknown;
};

async function conversationOf({ run, database, signal }: RunStage): Promise<Conversation> {
  if (run.conversation_id === null) return { history: [], files: [] };
  const { rows } = await untilAnswered(
    () =>
      sql<Message>`
        select execution_id, sender_type, content, attachments
        from private.conversation_turns(${run.execution_id})`.execute(database),
    signal,
  );
  const messages = rows.map((row) => ({ ...row, files: attachmentsSchema.parse(row.attachments) }));
  return {
    history: messages
      .filter(({ execution_id }) => execution_id !== run.execution_id)
      .map(({ sender_type, content, files }) => ({
        role: sender_type === 'user' ? ('user' as const) : ('assistant' as const),
        content: withAttachments(content, files),
      }))
      // Providers refuse a turn without words.
      .filter(({ content }) => content !== ''),
    files: messages
      .filter(({ execution_id }) => execution_id === run.execution_id)
      .flatMap(({ files }) => files),
  };
}

/** JSON columns of a version, as `private.draft_version` fills them. */
const variablesSchema = z.array(z.object({ name: z.string(), value: z.unknown() }));
const configurationSchema = z.object({
  base_url: z.string().optional().catch(undefined),
  max_steps: z.number().int().min(1).max(100).catch(10),
});

/**
 * What a version of an agent asks its model.
 *
 * @param input with the defaults of parameters filled in
 * @throws RunFailure when there is nothing to ask, or no such model, token or address
 */
export async function questionOf(
  versionId: string,
  input: AgentInput,
  stage: RunStage,
): Promise<ModelQuestion> {
  const { database, settings, lease, signal } = stage;
  const version = await untilAnswered(
    () =>
      database
        .selectFrom('agent_versions')
        .where('id', '=', versionId)
        .selectAll()
        .executeTakeFirstOrThrow(),
    signal,
  );
  const hasTools = !isEmpty(version.tools) || !isEmpty(version.mcp_servers);
  if (hasTools) {
    await lease.log(
      'warning',
      `${version.name} answers without its tools: workers of this version call none.`,
    );
  }
  const readToken = tokenReader(stage);
  const configuration = configurationSchema.parse(version.agent_config);
  const variables = Object.fromEntries(
    variablesSchema.parse(version.variables).map(({ name, value }) => [name, value]),
  );
  const prompt = composePrompt(
    version,
    (await resolveTokens(variables, readToken)) as Record<string, unknown>,
    input,
  );
  return {
    reference: version.model,
    model: await findModel(version.model, {
      environment: settings.providers,
      readToken,
      baseUrl: configuration.base_url,
      parameters: input.parameters,
    }),
    prompt,
    temperature: version.temperature === null ? undefined : Number(version.temperature),
    maxTokens: version.max_tokens ?? undefined,
    // The same as private.reservation holds money back for: without tools there is one step.
    maxSteps: hasTools ? configuration.max_steps : 1,
  };
}

/** Whose tokens are read: the user's who asked, before the organization's. */
type TokenContext = Pick<RunStage, 'vault' | 'redaction' | 'signal'> & {
  run: { organization_id: string; user_id: string };
};

/** Reads the tokens of whoever runs this; their values are masked in everything that is written down. */
export function tokenReader({ run, vault, redaction, signal }: TokenContext): ReadToken {
  return async (key) => {
    const token = await untilAnswered(
      () => vault.readToken(run.organization_id, run.user_id, key),
      signal,
    );
    if (token !== undefined) redaction.add(token);
    return token;
  };
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}
