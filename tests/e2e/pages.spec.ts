import { globSync } from 'node:fs';
import { expect, makeAgent, test } from './journey.ts';

/** Of a run and an invitation, which have journeys of their own. */
const ELSEWHERE = /\[(run|token)\]/;

test('every page opens, names itself and complains of nothing', async ({ author }) => {
  const { page } = author;
  const { slug } = await makeAgent(author, { name: 'Opened' }, { publish: true });
  const addresses = globSync('src/routes/(app)/**/+page.svelte')
    .map((file) =>
      file.replaceAll('\\', '/').replace(/^src\/routes\/\(app\)|\/\+page\.svelte$/g, ''),
    )
    .filter((address) => !ELSEWHERE.test(address))
    .map((address) => address.replace('[agent]', slug))
    .sort();
  expect(addresses.length).toBeGreaterThan(15);

  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on('console', (line) => {
    if (line.type() === 'error') complaints.push(`${page.url()}: ${line.text()}`);
  });
  for (const address of addresses) {
    await page.goto(address);
    await expect(page.getByRole('main').getByRole('heading').first(), address).toBeVisible();
    await expect(page.getByRole('alert').filter({ hasText: /./ }), address).toHaveCount(0);
  }
  expect(complaints).toEqual([]);
});
