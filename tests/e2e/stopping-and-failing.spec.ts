import { expect, expectAccessible, expectNotFound, makeAgent, test } from './journey.ts';
import { REFUSING_MODEL, SLOW_MODEL } from './models.ts';

test('a run that takes too long is watched for a while and cancelled', async ({
  author,
  stranger,
}) => {
  const { page } = author;
  const agent = await makeAgent(author, { name: 'Slow', model: SLOW_MODEL }, { publish: true });
  await page.goto(`/agents/${agent.slug}/run`);
  await page.getByLabel('Message').fill('Take your time');
  await page.getByRole('button', { name: 'Run', exact: true }).click();

  await expect(page.locator('header').getByText('Running')).toBeVisible();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await expect(page.getByText(/^One word after/)).toBeVisible();
  // Whoever opens the page later sees what was said before, and what follows.
  const second = await page.context().newPage();
  await second.goto(page.url());
  await expect(second.getByText(/^One word after the other One/)).toBeVisible();

  await page.getByRole('button', { name: 'Cancel run' }).click();
  await expect(page.locator('header').getByText('Cancelled')).toBeVisible();
  await expect(page.getByText('This is what had come when the run ended.')).toBeVisible();
  await expect(second.locator('header').getByText('Cancelled')).toBeVisible();
  await expectAccessible(page);
  await expect(page.getByRole('button', { name: 'Run again' })).toBeVisible();

  await stranger.page.goto(page.url());
  await expectNotFound(stranger.page);
});

test('a run that fails says why, what to do, and under which code', async ({
  author,
  stranger,
}) => {
  const { page } = author;
  const agent = await makeAgent(
    author,
    { name: 'Locked', model: REFUSING_MODEL },
    { publish: true },
  );
  await page.goto(`/agents/${agent.slug}/run`);
  await page.getByLabel('Message').fill('Open up');
  await page.getByRole('button', { name: 'Run', exact: true }).click();

  const failure = page.getByRole('region', { name: 'The model provider refused the key.' });
  await expect(failure).toContainText('Incorrect API key provided');
  await expect(failure).toContainText('Store a valid key under Settings, Tokens');
  await expect(failure).toContainText('provider_auth');
  await expect(failure.getByRole('button', { name: 'Copy error code' })).toBeVisible();
  await expectAccessible(page);

  await page.getByRole('link', { name: 'Runs', exact: true }).first().click();
  await page.goto('/runs?status=failed');
  await expect(page.getByRole('link', { name: /Locked/ })).toBeVisible();
  await page.getByRole('button', { name: 'Remove filter Status: Failed' }).click();
  await expect(page).toHaveURL(/\/runs$/);

  await page.getByRole('link', { name: /Locked/ }).click();
  await failure.getByRole('link', { name: 'Open tokens' }).click();
  await expect(page).toHaveURL(/\/settings\/tokens/);

  await stranger.page.goto('/runs');
  await expect(stranger.page.getByText('No runs yet')).toBeVisible();
});
