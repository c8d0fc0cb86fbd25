// npm run -s stack:env: how to reach the stack that runs from AGENTRY_DATA, as NAME=value lines for a
// shell or a .env file. Exits 1 when none is ready there.

import { runningStackEnv } from './data-folder.ts';
import { dataDir } from './settings.ts';

const folder = dataDir(process.env);
const env = await runningStackEnv(folder);
if (env) {
  for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`);
} else {
  console.error(`No stack is running from ${folder}. Start one with npm start.`);
  process.exitCode = 1;
}
