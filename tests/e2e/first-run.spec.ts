import { expect, expectAccessible, expectNotFound, makeAgent, test } from './journey.ts';
import { PRICED_MODEL, SLOW_MODEL } from './models.ts';

test('a newcomer signs up, writes an agent, runs it, and sees what it did and what it cost', async ({
  page,
  stranger,
  browser,
}) => {
  // Many pages: a machine that is busy with other things needs more than the usual minute.
  test.slow();
  await page.goto('/sign-up');
  await page.getByLabel('Name').fill('Ada');
  await page.getByLabel('E-mail').fill(`ada-${Date.now()}@example.com`);
  await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
  await page.getByRole('button', { name: 'Create account' }).click();

  await expect(page.getByRole('heading', { name: 'No agents yet' })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('main').getByRole('link', { name: 'Create agent' }).last().click();
  await page.getByLabel('Name').fill('Translator');
  await page.getByRole('button', { name: 'Create and write the prompt' }).click();
  await page.waitForURL('**/agents/translator/edit');

  // The prompt names something that is not there yet; one click adds it.
  const prompt = page.getByRole('textbox', { name: 'System prompt' });
  await prompt.click();
  await page.keyboard.insertText('Translate what I write into {{language}}.');
  await expect(page.getByText('Unsaved changes')).toBeVisible();
  await page.getByRole('button', { name: 'Add parameter language' }).click();
  await page.getByRole('tab', { name: /Sample values/ }).click();
  await page.getByRole('textbox', { name: 'language' }).fill('French');
  await page.getByRole('tab', { name: 'Rendered' }).click();
  await expect(page.getByRole('region', { name: 'Preview' })).toContainText(
    'Translate what I write into French.',
  );
  await page.keyboard.press('Control+s');
  await expect(page.getByText('Unsaved changes')).toBeHidden();
  await expectAccessible(page);

  await page.getByRole('link', { name: 'Run', exact: true }).click();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('This is needed.', { exact: true })).toBeVisible();
  await page.getByLabel('language').fill('Danish');
  await page.getByLabel('Message').fill('Good morning');
  await page.keyboard.press('Control+Enter');
  await page.waitForURL('**/runs/*');

  await expect(page.locator('header').getByText('Completed')).toBeVisible();
  const main = page.getByRole('main');
  await expect(main.getByText('Offline demo model (')).toBeVisible();
  await expect(main).toContainText('Translate what I write into Danish.');
  await expect(main.getByRole('definition').filter({ hasText: '$0.00' })).toBeVisible();
  await expectAccessible(page);

  const steps = page.getByRole('list', { name: 'Steps of the run' });
  await steps.getByRole('button', { name: /demo\/echo/ }).press('Enter');
  const panel = page.getByRole('dialog', { name: /demo\/echo/ });
  await expect(panel).toContainText('No language model has read this');
  await panel.getByRole('tab', { name: 'Input' }).click();
  await expect(panel).toContainText('Good morning');
  await expectAccessible(page);
  await page.keyboard.press('Escape');

  // It stands in the list, found by what it was asked.
  const run = page.url();
  await page.getByRole('link', { name: 'Runs', exact: true }).first().click();
  await page.getByRole('searchbox').fill('good MORNING');
  await expect(page).toHaveURL(/q=good/);
  await expect(page.getByRole('link', { name: /Translator/ })).toBeVisible();
  await page.getByRole('searchbox').fill('something else');
  await expect(page.getByText('No run matches')).toBeVisible();

  // Nobody else gets near it.
  await stranger.page.goto(run);
  await expectNotFound(stranger.page);
  const nobody = await browser.newPage();
  await nobody.goto(run);
  await expect(nobody).toHaveURL(/\/sign-in\?next=/);
  await nobody.close();
});

test('an answer streams in while it is written, and its price is known at the end', async ({
  author,
  stranger,
}) => {
  const agent = await makeAgent(author, { name: 'Priced', model: PRICED_MODEL }, { publish: true });

  await author.page.goto(`/agents/${agent.slug}/run`);
  await author.page.getByLabel('Message').fill('Hello world');
  await author.page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(author.page.getByText('Bonjour tout le monde.')).toBeVisible();
  await expect(author.page.locator('header').getByText('Completed')).toBeVisible();
  // 7 tokens in at $100 and 4 out at $200 a million.
  await expect(author.page.getByText('$0.0015').first()).toBeVisible();
  await expect(author.page.getByText('7 in · 4 out')).toBeVisible();

  await stranger.page.goto(`/agents/${agent.id}/run`);
  await expectNotFound(stranger.page);
});

test(
  'without the live channel the answer comes all the same, a little later',
  { tag: '@rare' },
  async ({ author, stranger }) => {
    const { page } = author;
    const agent = await makeAgent(
      author,
      { name: 'Patient', model: SLOW_MODEL },
      { publish: true },
    );
    await page.routeWebSocket(/\/realtime\//, (socket) => socket.close());
    await page.goto(`/agents/${agent.slug}/run`);
    await page.getByLabel('Message').fill('Still there?');
    await page.getByRole('button', { name: 'Run', exact: true }).click();

    await expect(page.getByText(/Live channel away/)).toBeVisible();
    await expect(page.getByText(/^One word after the other One/)).toBeVisible();
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await expect(page.locator('header').getByText('Cancelled')).toBeVisible();

    const { error } = await stranger.client.rpc('cancel_execution', {
      execution_id: page.url().split('/').at(-1)!,
    });
    expect(error).toMatchObject({ code: 'PT404', details: 'execution_not_found' });
  },
);
