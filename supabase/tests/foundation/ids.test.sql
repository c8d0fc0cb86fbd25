begin;
select plan(7);

select matches(
  private.uuid_v7()::text, '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  'an id is a UUID of version 7 and variant 10');
select cmp_ok(
  abs(extract(epoch from private.uuid_v7_time(private.uuid_v7()) - clock_timestamp())), '<', 5::numeric,
  'an id tells the time at which it was made');
select is(
  (select count(distinct private.uuid_v7()) from generate_series(1, 10000)), 10000::bigint,
  'ten thousand ids of one statement differ');
select is(
  (
    with made as materialized (
      select i, private.uuid_v7() as id, pg_sleep(0.000005) from generate_series(1, 2000) as i
    )
    select count(*) from (select i, row_number() over (order by id) as place from made) as o
    where i <> place
  ),
  0::bigint,
  'ids made five microseconds apart sort in the order of their making');
select is(
  private.uuid_v7_floor('2026-12-01 00:00:00Z'), '01a22ee6-b000-7000-8000-000000000000'::uuid,
  'the floor of an instant is its milliseconds, version, variant and zeros');
select is(
  private.uuid_v7_time(private.uuid_v7_floor('2026-12-01 00:00:00.123Z')),
  '2026-12-01 00:00:00.123Z'::timestamptz,
  'the same instant is read back from a floor');
select ok(
  private.uuid_v7() >= private.uuid_v7_floor(now()), 'an id lies at or above the floor of the present');

select * from finish();
rollback;
