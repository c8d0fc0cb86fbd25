import type { CallerName, World } from './tenants.ts';

/** What came back: how it ended, in a word, and everything that was said. */
export type Answer = { status: number; code: string; met: number; text: string; headers: Headers };
export const DONE = 'done';

export type Request = {
  method: string;
  /** Under /rest/v1. */
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
};

/** At most so many requests at once: for more, PostgREST opens connections, which learn the catalog anew. */
const AT_ONCE = 4;
let underWay = 0;
const waiting: (() => void)[] = [];

/** Whose secrets a caller must never be told. */
export function forbiddenTo(caller: CallerName): string | undefined {
  if (caller === 'service_role' || caller === 'superuser') return undefined;
  return caller === 'anon' || caller === 'stranger' ? 'zqkestrel' : 'zqwalrus';
}

/**
 * Sends one request; throws when a byte of `secret` comes back, in the body or in a header. What the
 * caller sends does not count as coming back: the secret is taken out of it first.
 */
export async function send(
  world: World,
  { method, path, body, headers = {} }: Request,
  secret: string | undefined,
): Promise<Answer> {
  const plain = body === undefined ? undefined : JSON.stringify(body);
  const sent = secret === undefined ? plain : plain?.replaceAll(secret, 'probe');
  if (underWay >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  underWay += 1;
  try {
    const response = await fetch(`${world.api.url}/rest/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(sent === undefined ? {} : { body: sent }),
    });
    const text = await response.text();
    // This header repeats the address that was asked for.
    const told = [...response.headers].filter(([name]) => name !== 'content-location');
    const said = `${text}\n${JSON.stringify(told)}`;
    if (secret !== undefined && said.toLowerCase().includes(secret)) {
      throw new Error(`${secret} came back from ${method} ${path}: ${said}`);
    }
    const met = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 1);
    const code = codeOf(method, response, text, met);
    return { status: response.status, code, met, text, headers: response.headers };
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

/** 'done', 'none' when a write met no row, or why it was refused, as our code or PostgreSQL's. */
function codeOf(method: string, response: Response, text: string, met: number): string {
  if (response.ok) return /^(GET|HEAD|OPTIONS)$/.test(method) || met > 0 ? DONE : 'none';
  if (!text.startsWith('{')) return String(response.status);
  const { code, details } = JSON.parse(text) as { code?: string; details?: string | null };
  if (code === '42501') return 'denied';
  return (/^PT|^PGRST$/.test(code ?? '') && details) || code || String(response.status);
}
