import { expect, expectAccessible, expectNotFound, makeAgent, test } from './journey.ts';

const PROMPTS = `act,prompt,for_devs,type,contributor
Translator,"Translate into \${language:French}: \${text}",FALSE,TEXT,somebody
Émile,"Say hello to \${name}.",FALSE,TEXT,somebody
Broken,"one field too few"
Translator,"Translate into \${language:French}: \${text}",FALSE,TEXT,somebody
`;

test('a collection of prompts is looked at, imported, and imported again without harm', async ({
  author,
}) => {
  const { page } = author;
  await page.goto('/agents');
  await page.getByRole('main').getByRole('link', { name: 'Import prompts' }).last().click();
  const file = { name: 'prompts.csv', mimeType: 'text/csv', buffer: Buffer.from(PROMPTS) };
  await page.getByLabel('File to import').last().setInputFiles(file);

  await expect(page.getByText('4 prompts, 5 parameters')).toBeVisible();
  await expect(page.getByText('The row does not have as many fields')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Import 3 agents' }).click();
  await expect(page.getByText('3 created, 0 updated, 0 unchanged, 1 refused')).toBeVisible();
  const refused = page.getByRole('table', { name: '1 row refused' });
  await expect(refused).toContainText('line 4');
  await expect(refused).toContainText('row_unreadable');
  await expectAccessible(page);

  await page.getByRole('button', { name: 'Choose another file' }).click();
  await page.getByLabel('File to import').last().setInputFiles(file);
  await page.getByRole('button', { name: 'Import 3 agents' }).click();
  await expect(page.getByText('0 created, 0 updated, 3 unchanged, 1 refused')).toBeVisible();

  await page.getByRole('link', { name: 'Show agents' }).click();
  await expect(page.getByRole('link', { name: /^Translator/ })).toHaveCount(2);
  await page.getByRole('link', { name: /Émile/ }).click();
  await expect(page).toHaveURL(/\/agents\/emile$/);
  await page.getByRole('link', { name: 'Edit', exact: true }).first().click();
  await expect(page.getByRole('textbox', { name: 'System prompt' })).toContainText(
    'Say hello to {{name}}.',
  );

  // A file that is no collection of prompts says so.
  await page.goto('/agents/import');
  await page
    .getByLabel('File to import')
    .last()
    .setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('a,b\n1,2') });
  await expect(page.getByRole('alert')).toContainText('file_unreadable');
});

test('agents are filtered, archived, deleted and brought back', async ({ author, stranger }) => {
  const { page } = author;
  await makeAgent(author, { name: 'Alpha' }, { publish: true });
  await makeAgent(author, { name: 'Beta' });
  await page.goto('/agents');
  const alpha = page.getByRole('link', { name: 'Alpha' });
  const beta = page.getByRole('link', { name: 'Beta' });
  await expect(alpha).toBeVisible();
  await expectAccessible(page);

  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByRole('menuitem', { name: 'Active' }).click();
  await expect(page).toHaveURL(/status=active/);
  await expect(beta).toBeHidden();
  await page.reload();
  await expect(alpha).toBeVisible();
  await page.getByRole('button', { name: 'Remove filter Status: Active' }).click();
  await expect(beta).toBeVisible();

  await page.getByRole('row', { name: /Beta/ }).getByRole('checkbox').click();
  const bulk = page.getByRole('toolbar', { name: 'Actions for the selected rows' });
  await bulk.getByRole('button', { name: 'Archive' }).click();
  await expect(page.getByText('1 agent archived')).toBeVisible();
  await expect(beta).toBeHidden();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(beta).toBeVisible();

  await page.getByRole('row', { name: /Alpha/ }).hover();
  await page.getByRole('button', { name: 'Actions for Alpha' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await expect(page.getByText('1 agent deleted')).toBeVisible();
  await expect(alpha).toBeHidden();
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await expect(alpha).toBeVisible();

  await stranger.page.goto('/agents');
  await expect(stranger.page.getByText('No agents yet')).toBeVisible();
});

test(
  'a viewer looks and changes nothing',
  { tag: '@rare' },
  async ({ author, stranger: viewer }) => {
    const { data: organization } = await author.client
      .rpc('create_organization', { name: 'Crew' })
      .throwOnError();
    const { data: invitation } = await author.client
      .rpc('invite_member', {
        organization_id: organization.id,
        email: viewer.email,
        role: 'viewer',
      })
      .single()
      .throwOnError();
    await viewer.client.rpc('accept_invitation', { token: invitation.token! }).throwOnError();
    const crew = { ...author, organizationId: organization.id };
    const agent = await makeAgent(crew, { name: 'Ours', visibility: 'organization' } as never, {
      publish: true,
    });

    const { page } = viewer;
    await page.goto('/agents');
    await page.getByRole('button', { name: /^Organization:/ }).click();
    await page.getByRole('menuitem', { name: /Crew/ }).click();
    await page.getByRole('link', { name: /Ours/ }).click();
    await expect(page.getByRole('heading', { name: 'Ours' })).toBeVisible();
    for (const name of ['Run', 'Edit', 'Settings']) {
      await expect(
        page.getByRole('navigation', { name: 'Agent' }).getByRole('link', { name, exact: true }),
      ).toBeHidden();
    }
    for (const place of ['new', 'import', `${agent.slug}/run`, `${agent.slug}/edit`]) {
      await page.goto(`/agents/${place}`);
      await expect(page.getByRole('alert')).toContainText('Your role does not allow this.');
    }
  },
);

test(
  'in the dark, on a phone, everything can still be read',
  { tag: '@rare' },
  async ({ author, stranger }) => {
    const { page } = author;
    const agent = await makeAgent(
      author,
      { name: 'Nightly', system_prompt: 'Greet {{name}}.' },
      { publish: true },
    );
    await author.client
      .from('agents')
      .update({ system_prompt: 'Greet {{nobody}}.' })
      .eq('id', agent.id)
      .throwOnError();
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    for (const place of ['', '/edit', '/versions', '/run', '/settings']) {
      await page.goto(`/agents/${agent.slug}${place}`);
      await expect(page.getByRole('heading', { name: 'Nightly' })).toBeVisible();
      await expectAccessible(page);
      const overflow = await page.evaluate(() => document.body.scrollWidth - window.innerWidth);
      expect(overflow, `what sticks out of ${place || 'the overview'}`).toBeLessThanOrEqual(0);
    }

    await stranger.page.goto(`/agents/${agent.id}`);
    await expectNotFound(stranger.page);
  },
);
