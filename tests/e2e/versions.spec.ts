import { expect, expectAccessible, expectNotFound, makeAgent, test } from './journey.ts';

test('an author publishes, compares and goes back', async ({ author, stranger }) => {
  // Many pages: a machine that is busy with other things needs more than the usual minute.
  test.slow();
  const { page } = author;
  const agent = await makeAgent(author, {
    name: 'Pirate',
    system_prompt: 'You are a pirate.\nBe brief.',
  });
  await page.goto(`/agents/${agent.slug}/versions`);
  await page.getByRole('button', { name: 'Publish the first version' }).click();
  const dialog = page.getByRole('dialog', { name: 'Publish a version' });
  await expect(dialog.getByLabel('Version', { exact: true })).toHaveValue('1.0.0');
  await expectAccessible(page);
  await dialog.getByLabel('What changed').fill('First words');
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await expect(page.getByText('First words')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Publish' })).toBeDisabled();

  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await page.getByRole('textbox', { name: 'System prompt' }).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('You are a captain.\nBe brief.');
  // Leaving now would lose it.
  page.once('dialog', (question) => void question.dismiss());
  await page.getByRole('link', { name: 'Versions' }).click();
  await expect(page).toHaveURL(/\/edit$/);
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Unsaved changes')).toBeHidden();

  await page.getByRole('link', { name: 'Versions' }).click();
  await expect(page.getByRole('heading', { name: 'Changes from 1.0.0 to Draft' })).toBeVisible();
  const changed = page.getByRole('row').filter({ hasText: 'captain' });
  await expect(changed).toContainText('pirate');
  await expectAccessible(page);

  await page.getByRole('button', { name: 'Publish' }).click();
  await dialog.getByRole('button', { name: /Feature/ }).click();
  await expect(dialog.getByLabel('Version', { exact: true })).toHaveValue('1.1.0');
  await dialog.getByLabel('Version', { exact: true }).fill('0.9.0');
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await expect(dialog).toContainText('does not come after 1.0.0');
  await dialog.getByRole('button', { name: /Feature/ }).click();
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await expect(page.getByRole('link', { name: '1.1.0' })).toBeVisible();

  await page
    .getByRole('listitem')
    .filter({ hasText: 'First words' })
    .getByRole('button', { name: 'Restore' })
    .click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click();
  await page.waitForURL('**/edit');
  await expect(page.getByRole('textbox', { name: 'System prompt' })).toContainText(
    'You are a pirate.',
  );

  await stranger.page.goto(`/agents/${agent.id}/versions`);
  await expectNotFound(stranger.page);
});

test(
  'whoever an agent is lent to runs it and changes nothing',
  { tag: '@rare' },
  async ({ author, stranger }) => {
    const agent = await makeAgent(author, { name: 'Lent' }, { publish: true });
    const { data: face } = await stranger.client
      .from('profiles')
      .select('username')
      .eq('id', stranger.id)
      .single()
      .throwOnError();

    await author.page.goto(`/agents/${agent.slug}/settings`);
    await author.page.getByLabel('Username').fill(`@${face.username}`);
    await author.page.getByRole('button', { name: 'Share' }).click();
    await expect(author.page.getByText(`@${face.username}`)).toBeVisible();
    await expectAccessible(author.page);

    const { page } = stranger;
    await page.goto('/agents');
    await page.getByRole('link', { name: /Lent/ }).click();
    await expect(page.getByRole('link', { name: 'Edit', exact: true })).toBeHidden();
    await page
      .getByRole('navigation', { name: 'Agent' })
      .getByRole('link', { name: 'Run' })
      .click();
    await page.getByLabel('Message').fill('Thank you');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect(page.locator('header').getByText('Completed')).toBeVisible();

    await page.goto(`/agents/${agent.id}/edit`);
    await expect(page.getByRole('alert')).toContainText('Your role does not allow this.');
  },
);
