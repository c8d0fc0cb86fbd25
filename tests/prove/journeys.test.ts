import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { it } from 'vitest';

it('the browser journeys that few take', async () => {
  await promisify(execFile)('node_modules/.bin/playwright', ['test', '--grep=@rare']);
});
