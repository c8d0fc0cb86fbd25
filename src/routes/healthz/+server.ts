import { env } from '$env/dynamic/public';
import { json } from '@sveltejs/kit';
import type { RequestHandler } from './$types';

const TIMEOUT_MS = 3_000;

/** 200 once gateway, Auth and database answer; otherwise 503 with the part that does not. */
export const GET: RequestHandler = async () => {
  const checks = await Promise.all([check('auth', '/auth/v1/health'), checkDatabase()]);
  // A gateway that is down fails every check: said once.
  const failures = [
    ...new Map(checks.filter((failure) => failure !== null).map((one) => [one.part, one])).values(),
  ];
  const headers = { 'cache-control': 'no-store' };
  return failures.length === 0
    ? json({ status: 'ok' }, { headers })
    : json({ status: 'unavailable', failures }, { status: 503, headers });
};

type Failure = { part: 'gateway' | 'auth' | 'database'; reason: string };

/** Reads a table that anyone may read, so the answer has been through PostgREST and PostgreSQL. */
function checkDatabase(): Promise<Failure | null> {
  return check('database', '/rest/v1/profiles?select=id&limit=1');
}

async function check(part: Failure['part'], path: string): Promise<Failure | null> {
  try {
    const answer = await fetch(`${env.PUBLIC_SUPABASE_URL}${path}`, {
      headers: { apikey: env.PUBLIC_SUPABASE_PUBLISHABLE_KEY ?? '' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return answer.ok ? null : { part, reason: `answered ${answer.status}` };
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    return isLate
      ? { part, reason: `no answer within ${TIMEOUT_MS} ms` }
      : { part: 'gateway', reason: 'refused the connection' };
  }
}
