// A stack in a process of its own, which a test can kill: node stack-process.ts FOLDER API DB STUDIO MAIL.
// Says 'ready' to its parent; stops on SIGTERM; when it gives up, says why and exits 1.

import { startStack } from '../../src/stack/stack.ts';

const [dataDir, ...numbers] = process.argv.slice(2);
const [api, db, studio, mail] = numbers.map(Number) as [number, number, number, number];
try {
  const stack = await startStack({
    dataDir: dataDir!,
    ports: { api, db, studio, mail },
    onFatal: (error) => {
      console.error(error.message);
      process.exit(1);
    },
  });
  process.once('SIGTERM', () => void stack.stop().then(() => process.exit()));
  await stack.announce();
  process.send?.('ready');
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
