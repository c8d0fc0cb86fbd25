// Errors as the Storage API writes them: `statusCode` stands in the body, HTTP itself says 400.

import postgres from 'postgres';
import { MalformedForm } from './multipart.ts';
import { FileTooLarge } from './storage-files.ts';

/** One of them; `code` is what clients switch on. */
export class StorageError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly error: string;

  constructor(statusCode: number, code: string, error: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.error = error;
  }
}

export const noSuchBucket = (): StorageError =>
  new StorageError(404, 'NoSuchBucket', 'Bucket not found', 'Bucket not found');
export const noSuchKey = (): StorageError =>
  new StorageError(404, 'NoSuchKey', 'not_found', 'Object not found');
export const tooLarge = (): StorageError =>
  new StorageError(
    413,
    'EntityTooLarge',
    'Payload too large',
    'The object exceeded the maximum allowed size',
  );
export const accessDenied = (): StorageError =>
  new StorageError(
    403,
    'AccessDenied',
    'Unauthorized',
    'new row violates row-level security policy',
  );

export const UNIQUE_VIOLATION = '23505';
export const FOREIGN_KEY_VIOLATION = '23503';
const INSUFFICIENT_PRIVILEGE = '42501';
const DATA_EXCEPTION = '22';

/** What a failure means to the caller; null when it is a failure of ours. */
export function asStorageError(error: unknown): StorageError | null {
  if (error instanceof StorageError) return error;
  if (error instanceof FileTooLarge) return tooLarge();
  if (error instanceof MalformedForm)
    return new StorageError(400, 'InvalidRequest', 'InvalidRequest', error.message);
  if (isPostgresError(error, INSUFFICIENT_PRIVILEGE)) return accessDenied();
  if (isPostgresError(error, UNIQUE_VIOLATION)) {
    return new StorageError(409, 'KeyAlreadyExists', 'Duplicate', 'The resource already exists');
  }
  if (error instanceof postgres.PostgresError && error.code.startsWith(DATA_EXCEPTION)) {
    return new StorageError(400, 'InvalidRequest', 'InvalidRequest', error.message);
  }
  return null;
}

/** Whether PostgreSQL refused with this SQLSTATE. */
export function isPostgresError(error: unknown, code: string): boolean {
  return error instanceof postgres.PostgresError && error.code === code;
}
