import { randomUUID } from 'node:crypto';
import { expect, expectAccessible, test } from './journey.ts';

const A_PASSWORD = 'a long enough password';

test('a team is founded, joined by invitation, and left when the owner says so', async ({
  author,
  stranger,
  browser,
}) => {
  const { page } = author;
  const name = `Team ${randomUUID().slice(0, 8)}`;
  const guestEmail = `guest-${randomUUID().slice(0, 8)}@example.com`;
  await page.goto('/settings/organizations/new');
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.waitForURL('**/settings/members');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByLabel('E-mail').fill(guestEmail);
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Create link' }).click();
  const link = await page.getByLabel('Invitation link').inputValue();
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText(guestEmail)).toBeVisible();

  // The link alone opens nothing: it is for one address.
  await stranger.page.goto(link);
  await stranger.page.getByRole('button', { name: 'Join' }).click();
  await expect(stranger.page.getByRole('alert')).toContainText('another e-mail address');

  const guest = await browser.newPage();
  await guest.goto(link);
  await guest.getByRole('main').getByRole('link', { name: 'Sign up' }).click();
  await guest.waitForURL('**/sign-up?**');
  await guest.getByLabel('E-mail').fill(guestEmail);
  await guest.getByRole('textbox', { name: 'Password' }).fill(A_PASSWORD);
  await guest.getByRole('button', { name: 'Create account' }).click();
  await guest.getByRole('button', { name: 'Join' }).click();
  await guest.waitForURL('**/agents');
  await expect(guest.getByRole('button', { name: `Organization: ${name}` })).toBeVisible();
  await guest.goto('/settings/organization/tokens');
  await expect(guest.getByText('Your role does not allow this.')).toBeVisible();

  await page.reload();
  await page.getByRole('combobox', { name: /^Role of/ }).click();
  await page.getByRole('option', { name: /^Viewer/ }).click();
  await expect(page.getByText(/is now Viewer/)).toBeVisible();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByRole('combobox', { name: /^Role of/ })).toHaveText('Member');

  await page.getByRole('button', { name: /^Remove:/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('button', { name: /^Remove:/ })).toBeHidden();
  await guest.reload();
  await expect(guest.getByRole('button', { name: /^Organization:/ })).not.toContainText(name);
  await guest.close();
});

test(
  'what is typed before the script of the page runs is kept',
  { tag: '@rare' },
  async ({ page }) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/_app/**/*.js', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto('/sign-up', { waitUntil: 'commit' });
    await page.getByLabel('Name').fill('Someone');
    await page.getByLabel('E-mail').fill('early@example.com');
    await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
    await expect(page.getByRole('button', { name: 'Create account' })).toBeDisabled();
    release();
    await expect(page.getByRole('button', { name: 'Create account' })).toBeEnabled();
    await expect(page.getByLabel('Name')).toHaveValue('Someone');
    await expect(page.getByLabel('E-mail')).toHaveValue('early@example.com');
    await expect(page.getByRole('textbox', { name: 'Password' })).toHaveValue(
      'a long enough password',
    );
  },
);

test('a forgotten password is set anew through the mail, once', async ({
  author: { email, password },
  page,
  browser,
}) => {
  await page.goto('/forgot-password');
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(page.getByRole('heading', { name: 'Check your e-mail' })).toBeVisible();
  await page.goto(process.env.E2E_MAIL_URL!);
  await page.getByRole('listitem').filter({ hasText: email }).getByRole('link').click();
  const mail = page.locator('iframe').contentFrame();
  const link = await mail.getByRole('link').first().getAttribute('href');

  await page.goto(link!);
  await page.waitForURL('**/reset-password');
  await page.getByRole('textbox', { name: 'New password' }).fill(A_PASSWORD);
  await page.getByRole('button', { name: 'Save password' }).click();
  await page.waitForURL('**/agents');

  // Found in the mailbox later, the link opens nothing; nor does the old password.
  const elsewhere = await (await browser.newContext()).newPage();
  await elsewhere.goto(link!);
  await expect(elsewhere.getByRole('heading', { name: 'This link does not work' })).toBeVisible();
  await expectAccessible(elsewhere);
  await elsewhere.goto('/sign-in');
  await elsewhere.getByLabel('E-mail').fill(email);
  await elsewhere.getByRole('textbox', { name: 'Password' }).fill(password);
  await elsewhere.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(elsewhere.getByRole('alert')).toContainText('E-mail or password is wrong.');
  await expectAccessible(elsewhere);
  await elsewhere.getByRole('textbox', { name: 'Password' }).fill(A_PASSWORD);
  await elsewhere.getByRole('button', { name: 'Sign in', exact: true }).click();
  await elsewhere.waitForURL('**/agents');
  await elsewhere.context().close();
});

test('a key made in the settings works over REST within its scopes until it is revoked', async ({
  author: { page },
  request,
}) => {
  await page.goto('/settings/api-keys');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill('Nightly report');
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'New key' }).click();
  const key = await page.getByLabel('Your API key').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  const read = (path: string) =>
    request.get(`${process.env.E2E_SUPABASE_URL}/rest/v1/${path}`, {
      headers: { 'x-api-key': key },
    });
  expect((await read('agents?select=id')).status()).toBe(200);
  // Settings of the organization are outside the scopes that a new key gets.
  expect(await (await read('organizations?select=id')).json()).toEqual([]);

  await page.getByRole('row', { name: /Nightly report/ }).hover();
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(page.getByText('No API keys')).toBeVisible();
  expect((await read('agents?select=id')).status()).toBe(401);
});

test(
  'a stored token is named in the list and its value is nowhere to be read',
  { tag: '@rare' },
  async ({ author: { page, client } }) => {
    await page.goto('/settings/tokens');
    await page.getByRole('button', { name: 'Add token' }).click();
    await page.getByLabel('Name').fill('openai key');
    await page.getByLabel('Value').fill('sk-very-secret');
    await page.getByRole('button', { name: 'Store token' }).click();
    await expect(page.getByText('Use capital letters').first()).toBeVisible();
    await page.getByLabel('Name').fill('OPENAI_API_KEY');
    await page.getByRole('button', { name: 'Store token' }).click();
    await expect(page.getByText('OPENAI_API_KEY is stored')).toBeVisible();

    await page.reload();
    await expect(page.getByText('OPENAI_API_KEY', { exact: true })).toBeVisible();
    expect(await page.content()).not.toContain('sk-very-secret');
    const { data } = await client.from('tokens').select('*').throwOnError();
    expect(JSON.stringify(data)).not.toContain('sk-very-secret');
  },
);

test(
  'a session that was ended elsewhere is over at once, and the way back leads nowhere else',
  { tag: '@rare' },
  async ({ author: { page, client } }) => {
    await page.goto('/settings/security');
    await expect(page.getByText('This device')).toBeVisible();
    await client.auth.signOut({ scope: 'global' });
    await page.goto('/settings/account');
    await expect(page).toHaveURL(/\/sign-in\?reason=session_ended&next=%2Fsettings%2Faccount/);
    await expect(page.getByText('Your session has ended.')).toBeVisible();
    await expectAccessible(page);

    const email = `back-${randomUUID().slice(0, 8)}@example.com`;
    await page.goto('/sign-up?next=//evil.example');
    await page.getByLabel('E-mail').fill(email);
    await page.getByRole('textbox', { name: 'Password' }).fill(A_PASSWORD);
    await page.getByRole('button', { name: 'Create account' }).click();
    await expect(page).toHaveURL('/agents');
  },
);

test('everything is a few keys away', { tag: '@rare' }, async ({ author: { page } }) => {
  await page.goto('/settings/account');
  await expect(page.getByLabel('Username')).toBeVisible();
  const palette = page.getByRole('dialog', { name: 'Command palette' });
  // A key that is pressed before the script of the page runs is lost.
  await expect(async () => {
    await page.keyboard.press('Control+k');
    await expect(palette).toBeVisible({ timeout: 1000 });
  }).toPass();
  await expectAccessible(page);
  await page.keyboard.type('theme dark');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveClass(/dark/);
  await expect(palette).toBeHidden();

  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.waitForURL('**/runs');
  // Letters that are typed are text, not jumps.
  await page.goto('/settings/account');
  await page.getByLabel('Company').fill('');
  await page.getByLabel('Company').pressSequentially('gr');
  await expect(page.getByLabel('Company')).toHaveValue('gr');
  await expect(page).toHaveURL(/settings\/account/);
});
