import { afterAll, expect, it } from 'vitest';
import { readMatrix } from '../access/matrix.ts';
import { EQUIVALENT, killerOf, mutantsOf } from '../access/mutants.ts';
import { createWorld } from '../access/tenants.ts';

/** Every rule of access is broken in turn, and each time a cell of the matrix has to notice. */
const world = await createWorld();
const matrix = readMatrix();
const mutants = await mutantsOf(world);
afterAll(() => world.close());

it(`${mutants.length} broken rules are noticed`, async () => {
  const survivors: string[] = [];
  for (const mutant of mutants) {
    if ((await killerOf(world, matrix, mutant)) === undefined) survivors.push(mutant.name);
  }
  const killed = mutants.length - survivors.length;
  console.log(
    `${mutants.length} mutants: ${killed} killed, ${survivors.length} equivalent or missed`,
  );
  expect(survivors.sort()).toEqual(Object.keys(EQUIVALENT).sort());
});
