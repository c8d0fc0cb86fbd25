begin;
select plan(15);

create table public.readings (id uuid primary key default private.uuid_v7(), value integer not null)
partition by range (id);
create table private.reading_archive (total bigint not null);
create function private.archive_readings(partition regclass) returns void
language plpgsql set search_path = '' as $$
begin
  execute format('insert into private.reading_archive select sum(value) from %s', partition);
end
$$;
create table private.reading_deletes (id uuid);
create function private.tg_readings__deleted() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into private.reading_deletes values (old.id);
  return null;
end
$$;
create trigger readings_after_delete after delete on public.readings
for each row execute function private.tg_readings__deleted();

select private.partition_by_month('public.readings', 2, 'private.archive_readings(regclass)');
select is(
  (select count(*) from private.partition_months('public.readings')), 4::bigint,
  'a new partitioned table has this month and three more');

insert into public.readings (value) values (1);
select is(
  (select count(*) from private.readings_default), 0::bigint, 'a row of now goes to its month');

-- A month that is kept but has no partition, one long past its time, and one far ahead.
insert into public.readings (id, value) values
  (private.uuid_v7_floor(now() - interval '1 month'), 10),
  (private.uuid_v7_floor(now() - interval '5 months'), 100),
  (private.uuid_v7_floor(now() + interval '10 years'), 1000);
select is(
  (select count(*) from private.readings_default), 3::bigint,
  'rows without a month of their own wait in the default partition');

select lives_ok('select private.maintain_partitions()', 'maintenance runs');
select is(
  (select array_agg(value order by value) from private.readings_default), array[100, 1000],
  'a late row of a kept month is drained into a month of its own');
select is(
  (select sum(value) from public.readings), 1111::bigint, 'no row is lost by draining');
select is(
  (select count(*) from private.reading_deletes), 0::bigint, 'draining fires no delete triggers');
select is(
  (select array_agg(line) from private.maintain_partitions() as line where line ~ 'readings'), null,
  'a second run has nothing to do');

-- Time passes: the oldest month is now beyond two months.
select private.add_month_partition(
  'public.readings', (date_trunc('month', now() at time zone 'UTC') - interval '5 months')::date);
select is(
  (select count(*) from private.partition_months('public.readings')), 6::bigint,
  'an expired month stands until maintenance');
update private.partition_clock set last_run_at = now() - interval '30 days';
select private.maintain_partitions();
select is(
  (select count(*) from private.partition_months('public.readings')), 6::bigint,
  'after a month without maintenance, or a jump of the clock, nothing is dropped at first');
update private.partition_clock set drops_held_until = now() - interval '1 second';
select private.maintain_partitions();
select is(
  (select count(*) from private.partition_months('public.readings')), 5::bigint,
  'a month past its time is dropped');
select is((select total from private.reading_archive), 100::bigint, 'its counts were folded before');
select is((select sum(value) from public.readings), 1011::bigint, 'the rows of other months stay');

-- One table at a time
create table public.meters (id uuid primary key default private.uuid_v7()) partition by range (id);
select private.partition_by_month('public.meters', 2);
update private.partition_policies set months_ahead = 4
where parent in ('public.meters'::regclass, 'public.readings'::regclass);
select is(
  (select array_agg(split_part(line, ' ', 2)) from private.maintain_partitions() as line), '{public.meters}',
  'a transaction changes one table, so that it never holds one while it waits for another');
select is(
  (select array_agg(split_part(line, ' ', 2)) from private.maintain_partitions() as line), '{public.readings}',
  'and the next one the next');

select * from finish();
rollback;
