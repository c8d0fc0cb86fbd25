import { updateAgent, type Agent } from '$lib/agents/agents.ts';
import { newParameter, saveParameters, type Parameter } from '$lib/agents/parameters.ts';
import { compareNames, namesIn } from '$lib/agents/prompt.ts';
import { saveVariables, type Variable } from '$lib/agents/variables.ts';
import type { KnownName, KnownNames } from '$lib/components/agents/prompt-codemirror.ts';
import { m } from '$lib/messages/messages.ts';
import type { Supabase } from '$lib/supabase/client.ts';

type Fields = {
  name: string;
  description: string;
  category: string;
  model: string;
  /** As typed; empty means the model's own. */
  temperature: string;
  maxTokens: string;
  systemPrompt: string;
  userPromptTemplate: string;
  parameters: Parameter[];
  variables: Variable[];
};

/** The draft of an agent while it is being edited: what is typed, and what of it is saved. */
export class AgentDraft {
  fields: Fields = $state()!;
  #saved: string = $state('');
  readonly #agentId: string;
  readonly #supabase: Supabase;

  readonly isChanged = $derived.by(() => JSON.stringify(this.fields) !== this.#saved);

  /** What each placeholder may stand for, with the words that explain it. */
  readonly names: KnownNames = $derived.by(() => {
    const variables = this.fields.variables.map(({ name, description }): [string, KnownName] => [
      name,
      { kind: 'variable', help: description || m.agents.editor.variableHelp },
    ]);
    const parameters = this.fields.parameters.map(
      ({ name, type, description }): [string, KnownName] => {
        const words = [m.agents.parameters.types[type], description].filter(Boolean);
        return [name, { kind: 'parameter', help: words.join(': ') }];
      },
    );
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- made anew, never changed
    return new Map([...variables, ...parameters]);
  });

  readonly #comparison = $derived.by(() =>
    compareNames(namesIn(this.fields.systemPrompt, this.fields.userPromptTemplate), [
      ...this.names.keys(),
    ]),
  );
  /** In a prompt, but neither a parameter nor a variable: it would stay as it is. */
  readonly missing = $derived(this.#comparison.missing);
  /** Asked for, but in no prompt: whoever runs the agent fills it in for nothing. */
  readonly unused = $derived(this.#comparison.unused);

  constructor(
    supabase: Supabase,
    agent: Agent,
    parts: { parameters: Parameter[]; variables: Variable[] },
  ) {
    this.#supabase = supabase;
    this.#agentId = agent.id;
    this.fields = {
      name: agent.name,
      description: agent.description,
      category: agent.category ?? '',
      model: agent.model,
      temperature: agent.temperature?.toString() ?? '',
      maxTokens: agent.max_tokens?.toString() ?? '',
      systemPrompt: agent.system_prompt,
      userPromptTemplate: agent.user_prompt_template ?? '',
      parameters: structuredClone(parts.parameters),
      variables: structuredClone(parts.variables),
    };
    this.#saved = JSON.stringify(this.fields);
  }

  addMissing(name: string): void {
    this.fields.parameters.push(newParameter(name));
  }

  async save(): Promise<void> {
    const fields = $state.snapshot(this.fields as unknown) as Fields;
    await updateAgent(this.#supabase, this.#agentId, {
      name: fields.name.trim(),
      description: fields.description,
      category: fields.category.trim() || null,
      model: fields.model,
      temperature: numberOrNull(fields.temperature),
      max_tokens: numberOrNull(fields.maxTokens),
      system_prompt: fields.systemPrompt,
      user_prompt_template: fields.userPromptTemplate || null,
    });
    await saveParameters(this.#supabase, this.#agentId, fields.parameters);
    await saveVariables(this.#supabase, this.#agentId, fields.variables);
    // What was typed while it was being saved is still unsaved.
    this.#saved = JSON.stringify(fields);
  }
}

function numberOrNull(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}
