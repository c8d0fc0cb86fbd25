import type { Database } from '$lib/supabase/database.types.ts';
import type { SupabaseClient } from '@supabase/supabase-js';

declare global {
  namespace App {
    interface Locals {
      /** Acts as the person whose cookies came with the request. */
      supabase: SupabaseClient<Database>;
    }
    interface Error {
      message: string;
      /** Stable code of docs/error-codes.md, or of the failure as logged. */
      code?: string;
    }
  }
}

export {};
