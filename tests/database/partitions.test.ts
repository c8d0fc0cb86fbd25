import postgres from 'postgres';
import { afterAll, expect, it } from 'vitest';
import { createDatabase } from '../support/stack.ts';

/** Months are made, drained and dropped while others write. */
const database = await createDatabase();
const sql = postgres(database.url, { max: 10, onnotice: () => {} });
afterAll(async () => {
  await sql.end();
  await database.drop();
});

it('loses no row while months are made, drained and dropped under writers', async () => {
  await sql.unsafe(`
    create table public.readings (id uuid primary key default private.uuid_v7(), value integer not null)
    partition by range (id);
    create table private.reading_archive (value integer not null);
    create function private.archive_readings(partition regclass) returns void
    language plpgsql set search_path = '' as $$
    begin
      execute format('insert into private.reading_archive select value from %s', partition);
    end
    $$;
    select private.partition_by_month('public.readings', 2, 'private.archive_readings(regclass)');`);

  // Rows of now, of last month (kept, but without a partition of its own) and of ten years ahead, from
  // six writers, each committing one at a time.
  let writing = true;
  let written = 0;
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    while (writing) {
      const shift = ['0', '-1 month', '-40 days', '10 years'][(written + writer) % 4]!;
      await sql`
        insert into public.readings (id, value)
        values (private.uuid_v7_floor(now() + ${shift}::interval + random() * interval '1 hour'), 1)
        on conflict do nothing`;
      written += 1;
    }
  });
  const maintenance: string[] = [];
  for (let round = 0; round < 12; round++) {
    const lines = await sql`select private.maintain_partitions() as line`;
    maintenance.push(...lines.map(({ line }) => line as string));
    // Half way through, time has passed: what was last month is past its time.
    if (round === 6) {
      await sql`
        update private.partition_policies set months_kept = 1 where parent = 'public.readings'::regclass`;
      await sql`update private.partition_clock set drops_held_until = now() - interval '1 second'`;
    }
  }
  writing = false;
  await Promise.all(writers);
  await sql`select private.maintain_partitions()`;

  expect(
    maintenance.filter((line) => line.startsWith('made public.readings')).length,
  ).toBeGreaterThan(0);
  const [count] = await sql`
    select
      (select count(*) from public.readings) + (select count(*) from private.reading_archive) as kept,
      (select count(*) from private.readings_default
       where id >= private.uuid_v7_floor(date_trunc('month', now() - interval '1 month'))
         and id < private.uuid_v7_floor(now() + interval '1 year')) as undrained`;
  // Two rows of one microsecond would be one; the ids are random within the hour, so none are lost to that.
  expect(Number(count!['kept'])).toBe(written);
  expect(Number(count!['undrained'])).toBe(0);
});

it('keeps everything when the clock jumps ten years ahead and back', async () => {
  const [{ months: before }] = (await sql`
    select count(*)::int as months from private.partition_policies as p,
      private.partition_months(p.parent)`) as unknown as [{ months: number }];
  // What a jump leaves behind: a last run that lies far in the future.
  await sql`update private.partition_clock set last_run_at = now() + interval '10 years'`;
  await sql`select private.maintain_partitions()`;
  const [{ held }] = (await sql`
    select drops_held_until > now() + interval '6 days' as held from private.partition_clock`) as unknown as [
    { held: boolean },
  ];
  const [{ months: after }] = (await sql`
    select count(*)::int as months from private.partition_policies as p,
      private.partition_months(p.parent)`) as unknown as [{ months: number }];
  expect(held).toBe(true);
  expect(after).toBeGreaterThanOrEqual(before);
});
