/* eslint-disable @typescript-eslint/consistent-type-definitions -- SvelteKit declares these as interfaces, and only interfaces merge. */
import type { Supabase } from '$lib/supabase/client.ts';

declare global {
  namespace App {
    interface Locals {
      /** Acts as the person whose cookies came with the request. */
      supabase: Supabase;
    }
    interface Error {
      message: string;
      /** Stable code of docs/error-codes.md. */
      code: string;
      /** Finds the failure in the server's log. */
      reference?: string;
    }
  }
}

export {};
