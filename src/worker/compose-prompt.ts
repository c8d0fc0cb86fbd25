import { z } from 'zod';
import { renderPrompt } from '../lib/agents/prompt.ts';
import { RunFailure } from './failure.ts';

/** What somebody said earlier in a conversation. */
export type Turn = { role: 'user' | 'assistant'; content: string };

/** What a model is asked: `user` comes after all that was said before. */
export type Prompt = { system: string | undefined; user: string; history?: Turn[] };

/** Files of a message, as `private.require_attachments` keeps them; Storage does not know all of every one. */
export const attachmentsSchema = z.array(
  z.object({
    name: z.string(),
    type: z.string().nullable(),
    size_bytes: z.number().nullable(),
  }),
);

/**
 * A message with a line for each file that came with it. No model gets the files themselves: it is told
 * what it does not see, so that it can say so, and a message of files alone is not an empty one.
 */
export function withAttachments(
  content: string,
  attachments: z.infer<typeof attachmentsSchema>,
): string {
  const lines = attachments.map(({ name, type, size_bytes: size }) => {
    const about = [type, size === null ? null : `${size} bytes`].filter(Boolean).join(', ');
    return `[Attached file, not shown: ${name}${about && ` (${about})`}]`;
  });
  return [content, lines.join('\n')].filter((text) => text.trim() !== '').join('\n\n');
}

/** `executions.input` of an agent's run; defaults are already filled in. */
export const agentInputSchema = z.object({
  message: z.string().default(''),
  parameters: z.record(z.string(), z.unknown()).default({}),
});
export type AgentInput = z.infer<typeof agentInputSchema>;

/**
 * Renders a version's prompts with the run's values. The user prompt template comes first, the message
 * after it. Models answer a user: where there is neither template nor message, the system prompt, which
 * then is all there is to say, is said by the user.
 *
 * @param variables by name, references to tokens resolved
 * @throws RunFailure `input_invalid` when there is nothing to ask
 */
export function composePrompt(
  version: { system_prompt: string; user_prompt_template: string | null },
  variables: Record<string, unknown>,
  input: AgentInput,
): Prompt {
  const values = { ...variables, ...input.parameters };
  const render = (template: string) => (template.trim() ? renderPrompt(template, values) : '');

  const system = render(version.system_prompt);
  const user = [render(version.user_prompt_template ?? ''), input.message]
    .filter((text) => text.trim() !== '')
    .join('\n\n');
  if (user) return { system: system || undefined, user };
  if (system) return { system: undefined, user: system };
  throw new RunFailure('input_invalid', 'The agent has no prompt and the run no message.');
}
