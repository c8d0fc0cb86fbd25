import type { Answer } from '../support/model-server.ts';

const words = (text: string) => text.split(/(?<= )/);

/** How the tests' own provider answers, by the name of the model. */
export const MODELS: Record<string, [Answer, ...Answer[]]> = {
  priced: [{ kind: 'stream', chunks: ['Bonjour ', 'tout ', 'le ', 'monde.'] }],
  /** Takes half a minute: a run that can be watched and stopped. */
  slow: [{ kind: 'stream', chunks: words('One word after the other '.repeat(12)), pauseMs: 500 }],
  'no-key': [
    {
      kind: 'status',
      status: 401,
      error: { message: 'Incorrect API key provided', type: 'invalid_request_error' },
    },
  ],
};

export const PRICED_MODEL = 'openai-compatible/priced';
export const SLOW_MODEL = 'openai-compatible/slow';
export const REFUSING_MODEL = 'openai-compatible/no-key';
