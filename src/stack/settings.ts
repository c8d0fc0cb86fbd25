import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StackFailure } from './failure.ts';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

export type Ports = { app: number; api: number; db: number; studio: number; mail: number };

/** Where an installation keeps everything that is its own. */
export function dataDir(env: NodeJS.ProcessEnv): string {
  return env['AGENTRY_DATA'] || join(PROJECT, '.data');
}

/** The ports that people may choose. Those of Supabase are the Supabase CLI's, unless set. */
export function ports(env: NodeJS.ProcessEnv): Ports {
  return {
    app: port(env, 'APP_PORT', 3000),
    api: port(env, 'API_PORT', 54321),
    db: port(env, 'DB_PORT', 54322),
    studio: port(env, 'STUDIO_PORT', 54323),
    mail: port(env, 'MAIL_PORT', 54324),
  };
}

function port(env: NodeJS.ProcessEnv, variable: string, fallback: number): number {
  const value = env[variable];
  if (!value) return fallback;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= 65535) return number;
  throw new StackFailure(`${variable} is "${value}", which is no port: use a number up to 65535.`);
}
