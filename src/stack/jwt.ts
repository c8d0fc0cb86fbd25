// The JSON Web Tokens that Auth, PostgREST, Storage and the live channel share: HS256, one secret.

import { createHmac, timingSafeEqual } from 'node:crypto';

/** The roles that a token may carry. */
export const API_ROLES = ['anon', 'authenticated', 'service_role'] as const;
export type ApiRole = (typeof API_ROLES)[number];

export type Claims = { role: ApiRole; sub?: string; exp?: number; [claim: string]: unknown };

/** Who calls, as the gateway made it out: the role of the API key, and the user's token if there is one. */
export type Caller = { keyRole: ApiRole; userToken: string | null };

/** A signed token; `seconds` is how long it holds. */
export function signToken(
  claims: Record<string, unknown>,
  secret: string,
  seconds: number,
): string {
  const now = Math.floor(Date.now() / 1000);
  const header = encode({ alg: 'HS256', typ: 'JWT' });
  const payload = encode({ ...claims, iat: now, exp: now + seconds });
  return `${header}.${payload}.${signature(`${header}.${payload}`, secret).toString('base64url')}`;
}

/**
 * The payload of a token that this secret signed with HS256 and that holds now, else null. The
 * algorithm is fixed here and never taken from the token: `alg: none` and other keys are refused.
 */
export function verifyToken(token: string, secret: string): Record<string, unknown> | null {
  const [header, payload, mark, ...rest] = token.split('.');
  if (!header || !payload || !mark || rest.length > 0) return null;
  const expected = signature(`${header}.${payload}`, secret);
  const given = Buffer.from(mark, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const claims = decode(payload);
  if (decode(header)?.['alg'] !== 'HS256' || claims === null) return null;
  const now = Date.now() / 1000;
  const { exp, nbf } = claims;
  if (exp !== undefined && !(typeof exp === 'number' && exp > now)) return null;
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= now)) return null;
  return claims;
}

/** The claims that a caller acts with: the user's if verified, the key's role without a user, else null. */
export function claimsOf(caller: Caller, secret: string): Claims | null {
  if (caller.userToken === null) return { role: caller.keyRole };
  const claims = verifyToken(caller.userToken, secret);
  return claims !== null && API_ROLES.includes(claims['role'] as ApiRole)
    ? (claims as Claims)
    : null;
}

function signature(text: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
