import {
  expect,
  test as base,
  type Browser,
  type BrowserContext,
  type Page,
} from '@playwright/test';
import { createServerClient } from '@supabase/ssr';
import type { SupabaseClient } from '@supabase/supabase-js';
import axe from 'axe-core';
import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/lib/supabase/database.types.ts';
import { sessionCookie } from '../../src/lib/supabase/session-cookie.ts';

export { expect };

/** Somebody who is signed up and signed in: a browser window, and supabase-js with the same session. */
export type Persona = {
  page: Page;
  client: SupabaseClient<Database>;
  id: string;
  email: string;
  password: string;
  organizationId: string;
};

type Fixtures = {
  /** Owns the organization that the journey takes place in. */
  author: Persona;
  /** Has an account and nothing to do with the author. */
  stranger: Persona;
};

/** By who sits before them. They outlast a journey, so that what a browser has fetched once it keeps. */
type Windows = Map<string, BrowserContext>;

export const test = base.extend<Fixtures, { windows: Windows }>({
  windows: [
    // eslint-disable-next-line no-empty-pattern -- as below
    async ({}, use) => {
      const windows: Windows = new Map();
      await use(windows);
      await Promise.all([...windows.values()].map((window) => window.close()));
    },
    { scope: 'worker' },
  ],
  // eslint-disable-next-line no-empty-pattern -- Playwright reads what a fixture needs off this pattern
  baseURL: async ({}, use) => use(process.env.E2E_APP_URL!),
  author: async ({ browser, windows }, use) => {
    const author = await signUp(browser, windows, 'author');
    await use(author);
    await author.page.close();
  },
  stranger: async ({ browser, windows }, use) => {
    const stranger = await signUp(browser, windows, 'stranger');
    await use(stranger);
    await stranger.page.close();
  },
});

/** Signs somebody up through Auth and hands the session to their window, as signing in there would. */
async function signUp(browser: Browser, windows: Windows, name: string): Promise<Persona> {
  const appUrl = process.env.E2E_APP_URL!;
  const supabaseUrl = process.env.E2E_SUPABASE_URL!;
  const cookies = new Map<string, string>();
  const client = createServerClient<Database>(supabaseUrl, process.env.E2E_PUBLISHABLE_KEY!, {
    cookieOptions: sessionCookie(supabaseUrl, false),
    cookies: {
      getAll: () => [...cookies].map(([name, value]) => ({ name, value })),
      setAll: (changed) => changed.forEach(({ name, value }) => cookies.set(name, value)),
    },
  });
  const email = `${name}-${randomUUID().slice(0, 8)}@example.com`;
  const password = randomUUID();
  const { data, error } = await client.auth.signUp({ email, password });
  if (error) throw error;
  const { data: membership } = await client
    .from('organization_members')
    .select('organization_id')
    .eq('user_id', data.user!.id)
    .single()
    .throwOnError();

  const context = windows.get(name) ?? (await browser.newContext({ baseURL: appUrl }));
  windows.set(name, context);
  const page = await context.newPage();
  // Nothing of whoever sat here before.
  const devtools = await context.newCDPSession(page);
  const storageTypes = 'cookies,local_storage,indexeddb,service_workers';
  await devtools.send('Storage.clearDataForOrigin', { origin: appUrl, storageTypes });
  await devtools.detach();
  await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: appUrl })));
  return {
    page,
    client,
    id: data.user!.id,
    email,
    password,
    organizationId: membership.organization_id,
  };
}

/** Makes an agent through the API, for journeys that begin after it is made. */
export async function makeAgent(
  { client, organizationId }: Persona,
  agent: { name: string; model?: string; system_prompt?: string },
  options: { publish?: boolean } = {},
): Promise<{ id: string; slug: string }> {
  const { data } = await client
    .from('agents')
    .insert({ organization_id: organizationId, system_prompt: 'Be brief.', ...agent } as never)
    .select('id,slug')
    .single()
    .throwOnError();
  if (options.publish) {
    await client.rpc('publish_agent_version', { agent_id: data.id }).throwOnError();
  }
  return data;
}

/** No rule of WCAG 2.1 AA is broken on the page as it stands. */
export async function expectAccessible(page: Page): Promise<void> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const found = await (window as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
      resultTypes: ['violations'],
    });
    return found.violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`,
    );
  });
  expect(violations).toEqual([]);
}

/** The page says that there is nothing here, as it does for what was never there. */
export async function expectNotFound(page: Page): Promise<void> {
  await expect(page.getByRole('alert')).toContainText('you may not see it');
}
