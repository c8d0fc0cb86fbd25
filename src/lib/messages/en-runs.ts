/** English texts of the runs' pages; part of {@link en}. */
export const runs = {
  title: 'Runs',
  one: 'Run',
  search: 'Search messages and answers',
  emptyTitle: 'No runs yet',
  emptyText: 'Every run of an agent stands here, with its answer, its trace and what it cost.',
  chooseAgent: 'Choose an agent to run',
  noMatch: 'No run matches',
  noMatchText: 'Try other words, or remove a filter.',

  agent: 'Agent',
  target: 'What ran',
  targets: { agent: 'Agent', team: 'Team', workflow: 'Workflow' },
  gone: { agent: 'Deleted agent', team: 'Deleted team', workflow: 'Deleted workflow' },
  message: 'Message',
  status: 'Status',
  version: 'Version',
  draft: 'Draft',
  model: 'Model',
  source: 'Source',
  sources: {
    user: 'Person',
    api: 'API key',
    schedule: 'Schedule',
    webhook: 'Webhook',
    eval: 'Evaluation',
    agent: 'Agent',
  },
  tokens: 'Tokens',
  tokensHint: (prompt: string, completion: string) => `${prompt} in, ${completion} out`,
  tokensSplit: (prompt: string, completion: string) => `${prompt} in · ${completion} out`,
  cost: 'Cost',
  costUnknown: 'Unknown',
  costUnknownHint: 'The price of this model is not known.',
  duration: 'Duration',
  asked: 'Asked',
  started: 'Started',
  ended: 'Ended',
  attempt: 'Attempt',
  attemptOf: (attempt: number, all: number) => `${attempt} of ${all}`,
  retryOf: 'Repeats',
  earlierRun: 'an earlier run',
  id: 'Id',
  traceId: 'Trace id',
  facts: 'Details',

  dates: {
    any: 'Any day',
    range: (from: string | null, to: string | null) =>
      from && to
        ? from === to
          ? from
          : `${from} to ${to}`
        : from
          ? `Since ${from}`
          : `Until ${to}`,
    today: 'Today',
    week: '7 days',
    month: '30 days',
    from: 'From',
    to: 'To',
    clear: 'Any day',
  },

  demoModel: 'Offline demo model',
  demoShort: 'Demo',
  demoHint: 'It repeats what a model would get. No AI is involved, nothing leaves this server.',

  answer: 'Answer',
  plainText: 'Plain text',
  copyAnswer: 'Copy answer',
  copyCode: 'Copy code',
  table: 'Table',
  partial: 'This is what had come when the run ended.',
  noAnswer: {
    completed: 'The run ended without an answer.',
    failed: 'The run failed before there was an answer.',
    cancelled: 'The run was cancelled before there was an answer.',
  },
  input: 'Input',
  noInput: 'Nothing was given.',
  copyInput: 'Copy input as JSON',
  copyId: 'Copy id',
  copyTrace: 'Copy trace id',
  logs: 'Logs',
  copyLogs: 'Copy logs',
  noLogs: 'The run wrote no logs.',
  noLogsYet: 'Nothing yet.',

  cancel: 'Cancel run',
  retry: 'Run again',
  announce: (status: string) => `Run: ${status}`,
  connections: {
    connecting: 'Connecting',
    live: 'Live',
    polling: 'Live channel away, checking every second or so',
    ended: '',
  },

  nextStep: 'What to do:',
  attempts: (attempt: number, all: number) =>
    attempt === 1
      ? `Failed in the first of at most ${all} attempts.`
      : `Failed in attempt ${attempt} of at most ${all}.`,
  openTokens: 'Open tokens',
  editAgent: 'Edit agent',

  trace: {
    title: 'Trace',
    label: 'Steps of the run',
    step: 'Step',
    tokens: 'Tokens',
    noTokens: 'no tokens',
    cost: 'Cost',
    time: 'Time',
    waiting: 'Waiting for a worker to begin.',
    none: 'The run took no steps.',
  },

  step: {
    content: 'Content of the step',
    input: 'Input',
    output: 'Output',
    raw: 'Raw',
    nothing: 'Nothing was recorded.',
    tool: 'Tool',
    promptTokens: 'Tokens in',
    cachedTokens: 'of them cached',
    completionTokens: 'Tokens out',
    types: {
      llm_call: 'Model call',
      tool_call: 'Tool call',
      memory_access: 'Memory',
      a2a_call: 'Other agent',
      retrieval: 'Retrieval',
      decision: 'Decision',
      code: 'Code',
      human_input: 'Question to a person',
    },
  },
};

/** Why runs fail, by the code in executions.error_code; part of the catalogue's errors. */
export const runErrors = {
  provider_auth: {
    what: 'The model provider refused the key.',
    next: 'Store a valid key under Settings, Tokens, then run again.',
  },
  provider_rate_limited: {
    what: 'The model provider allows no more requests for now.',
    next: 'Wait a little and run again, or raise the limit with the provider.',
  },
  provider_unavailable: {
    what: 'The model provider did not answer properly.',
    next: 'Run again in a minute; look at the status page of the provider if it stays so.',
  },
  provider_bad_response: {
    what: 'The model provider sent something that cannot be read.',
    next: 'Check the address of the server and that it speaks the OpenAI protocol, then run again.',
  },
  provider_timeout: {
    what: 'The model provider stayed silent for too long.',
    next: 'Run again, or choose a faster model.',
  },
  provider_refused: {
    what: 'The model provider refused the request.',
    next: 'Read its reason above, change the prompt or the model settings, then run again.',
  },
  stream_interrupted: {
    what: 'The connection to the model broke in the middle of the answer.',
    next: 'Run again.',
  },
  token_missing: {
    what: 'A key that this run needs is not stored.',
    next: 'Add it under Settings, Tokens, then run again.',
  },
  model_unknown: {
    what: 'This model does not exist, or its provider is not set up.',
    next: 'Choose another model on the agent.',
  },
  context_too_long: {
    what: 'The prompt is longer than the model can read.',
    next: 'Shorten the prompt or the message, or choose a model with a larger context.',
  },
  input_invalid: {
    what: 'There was nothing to ask the model.',
    next: 'Write a prompt for the agent, or give the run a message.',
  },
  team_empty: {
    what: 'The team has no member left that could answer.',
    next: 'Add an agent with a published version to the team.',
  },
  target_unsupported: {
    what: 'The workers cannot run this kind of thing yet.',
    next: 'Ask the operator to update the workers.',
  },
  approval_expired: {
    what: 'A tool call waited for an approval that nobody gave.',
    next: 'Run again and answer in time.',
  },
  worker_lost: {
    what: 'The worker went away in each attempt.',
    next: 'Run again; if it happens again, the operator should look at the log of the workers.',
  },
  deadline_exceeded: {
    what: 'The run took longer than it may.',
    next: 'Ask for less at once, choose a faster model, or raise timeout_seconds of the agent.',
  },
  internal_error: {
    what: 'Something went wrong inside this server.',
    next: 'Run again; if it happens again, give the operator the id of the run.',
  },
  person_not_found: {
    what: 'Nobody has this username.',
    next: 'Ask the person; it stands in their profile.',
  },
  agent_not_found: {
    what: 'There is no such agent, or you may not see it.',
    next: 'It may have been deleted, or not be shared with you.',
  },
};
