-- migrate:up

-- Foundation: what every context stands on. No public table: schemas and what they may be used for,
-- time-ordered ids, slugs, the one generic trigger, monthly partitions, and upkeep.

-- ---------------------------------------------------------------------------------------------------
-- Schemas
--   public      the API: everything in it is reachable over REST and safe there
--   private     helpers, trigger functions, queues, secrets, partitions: never exposed
--   extensions  extensions
-- ---------------------------------------------------------------------------------------------------
create schema private;
comment on schema private is 'Never exposed over REST: definer helpers, trigger functions, queues, secrets, partitions.';

create schema if not exists extensions;
create extension if not exists pgcrypto with schema extensions;
create extension if not exists pg_trgm with schema extensions;
create extension if not exists unaccent with schema extensions;

-- Default deny. Older Supabase projects grant every new table and function to the API roles; here a
-- table is closed until its own block says otherwise. (The global form is the one that closes
-- functions: with `in schema` PostgreSQL accepts it and does nothing.)
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

-- service_role is the operator (Studio, backups, our own servers) and bypasses RLS: it may read and
-- write every table, but runs only the functions that are granted to it.
alter default privileges in schema public grant select, insert, update, delete on tables to service_role;

revoke all on schema public from public;
grant usage on schema public to anon, authenticated, service_role;

-- Policies run private helpers as the caller, so the API roles may look names up there; what they may
-- run is granted function by function, and no table of it is granted to them.
grant usage on schema private to anon, authenticated, service_role;

-- ---------------------------------------------------------------------------------------------------
-- Ids
-- ---------------------------------------------------------------------------------------------------

-- Milliseconds alone would leave half the rows of one statement out of order, so the microseconds
-- stand in rand_a, as RFC 9562 section 6.2 (method 3) allows.
create function private.uuid_v7_floor(at timestamptz) returns uuid
language sql immutable strict parallel safe
set search_path = ''
as $$
  select encode(
    substring(int8send(micros / 1000) from 3)
      || substring(int4send((28672 + (micros % 1000) * 4096 / 1000)::int) from 3)
      || '\x8000000000000000'::bytea,
    'hex')::uuid
  from (select (extract(epoch from at) * 1000000)::bigint as micros) as instant
$$;
comment on function private.uuid_v7_floor(timestamptz) is
  'The smallest UUIDv7 of an instant (RFC 9562): a bound for ids made at or after it, and of partitions.';

create function private.uuid_v7() returns uuid
language plpgsql volatile parallel safe
set search_path = ''
as $$
declare
  v_micros bigint := extract(epoch from clock_timestamp()) * 1000000;
begin
  return encode(
    substring(int8send(v_micros / 1000) from 3)
      || substring(int4send((28672 + (v_micros % 1000) * 4096 / 1000)::int) from 3)
      || substring(uuid_send(gen_random_uuid()) from 9),
    'hex')::uuid;
end
$$;
comment on function private.uuid_v7() is
  'A new time-ordered id (RFC 9562 version 7, microseconds in rand_a): the default of every id column.';

-- PostgreSQL's own uuid_extract_timestamp() reads version 7 from 18 on only.
create function private.uuid_v7_time(id uuid) returns timestamptz
language sql immutable strict parallel safe
set search_path = ''
as $$
  select to_timestamp(
    ('x' || encode(substring(uuid_send(id) for 6), 'hex'))::bit(48)::bigint / 1000.0)
$$;
comment on function private.uuid_v7_time(uuid) is
  'When a UUIDv7 was made, to the millisecond.';

-- Column defaults run as the inserting role.
grant execute on function private.uuid_v7() to anon, authenticated, service_role;
grant execute on function private.uuid_v7_floor(timestamptz) to anon, authenticated, service_role;
grant execute on function private.uuid_v7_time(uuid) to anon, authenticated, service_role;

-- ---------------------------------------------------------------------------------------------------
-- Names and times
-- ---------------------------------------------------------------------------------------------------

create function private.slugify(label text) returns text
language sql stable strict parallel safe
set search_path = ''
as $$
  select trim(both '-' from left(
    trim(both '-' from regexp_replace(lower(extensions.unaccent(label)), '[^a-z0-9]+', '-', 'g')),
    100))
$$;
comment on function private.slugify(text) is
  'Lower-case Latin letters, digits and single hyphens, at most 100; empty when the label has no Latin letter or digit.';

create function private.tg_set_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function private.tg_set_updated_at() is 'Before update: keeps updated_at; callers cannot set it.';

-- ---------------------------------------------------------------------------------------------------
-- Upkeep: what has to happen now and then. Workers call private.run_upkeep(1) again and again, so that
-- each task has a transaction of its own; pg_cron may call it instead. Contexts register their tasks in their own migrations.
-- ---------------------------------------------------------------------------------------------------
create table private.upkeep_tasks (
  name text primary key,
  task text not null
    constraint task_is_a_call_of_ours check (task ~ '^private\.[a-z][a-z0-9_]*\(\)$'),
  every interval not null check (every > interval '0'),
  last_run_at timestamptz,
  last_duration_ms integer,
  last_error text
);
comment on table private.upkeep_tasks is
  'Functions without arguments that private.run_upkeep() calls, each at its own interval.';

create function private.run_upkeep(at_most integer default null)
returns table (task_name text, error text)
language plpgsql
set search_path = ''
as $$
declare
  v_task private.upkeep_tasks;
  v_started timestamptz;
  v_error text;
begin
  -- Several workers may call at once: each due task is run by the one that locks its row. A last run
  -- that lies in the future is a clock that was set back; it must not stop upkeep.
  for v_task in
    select *
    from private.upkeep_tasks as t
    where t.last_run_at is null
      or t.last_run_at + t.every <= clock_timestamp()
      or t.last_run_at > clock_timestamp() + t.every
    order by t.last_run_at nulls first
    limit run_upkeep.at_most
    for update skip locked
  loop
    v_started := clock_timestamp();
    v_error := null;
    begin
      execute 'select ' || v_task.task;
    exception when query_canceled or others then
      -- One task that fails, or takes longer than statement_timeout, must not keep the others from
      -- running; the error is kept and it is tried again.
      v_error := sqlerrm;
    end;
    update private.upkeep_tasks as t
    set last_run_at = v_started,
      last_duration_ms = extract(epoch from clock_timestamp() - v_started) * 1000,
      last_error = v_error
    where t.name = v_task.name;
    task_name := v_task.name;
    error := v_error;
    return next;
  end loop;
end
$$;
comment on function private.run_upkeep(integer) is
  'Runs the tasks that are due, or so many of them, longest waiting first, and answers with their names and errors; harmless to call at any time, by many.';

-- ---------------------------------------------------------------------------------------------------
-- Monthly partitions. High-volume tables are range-partitioned on their UUIDv7 id, so that `id` alone
-- stays the primary key, a lookup by id opens one partition and `order by id desc` is newest first.
-- Partitions stand in `private`: the API lists only the parent.
-- ---------------------------------------------------------------------------------------------------
create table private.partition_policies (
  parent regclass primary key,
  months_kept integer not null check (months_kept > 0),
  months_ahead integer not null default 3 check (months_ahead > 0),
  before_drop text
);
comment on table private.partition_policies is
  'How long each partitioned table keeps its months, and how far ahead they are made.';
comment on column private.partition_policies.before_drop is
  'The function that is called with (partition regclass) in the transaction that drops it, to fold its counts into an archive.';

create table private.partition_clock (
  only_row boolean primary key default true check (only_row),
  last_run_at timestamptz not null,
  drops_held_until timestamptz not null
);
comment on table private.partition_clock is
  'A gap of over a week between two maintenance runs may be a clock that jumped; nothing is dropped for a week after one.';

create function private.add_month_partition(parent regclass, month date) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_table text := (select relname from pg_catalog.pg_class where oid = add_month_partition.parent);
  v_name text := format('%s_%s', v_table, to_char(month, 'YYYY_MM'));
  v_default text := v_table || '_default';
  v_from uuid := private.uuid_v7_floor(month::timestamp at time zone 'UTC');
  v_to uuid := private.uuid_v7_floor((month + interval '1 month') at time zone 'UTC');
  v_strays boolean;
  v_columns text;
begin
  if to_regclass(format('private.%I', v_name)) is not null then
    return false;
  end if;
  -- A writer that has already chosen the default partition for its row would find that the row belongs
  -- elsewhere once the month exists; so writers wait, at the parent, until it does.
  execute format('lock table %s in share row exclusive mode', add_month_partition.parent);
  execute format(
    'select exists (select from private.%I where id >= %L and id < %L)', v_default, v_from, v_to)
  into v_strays;
  if not v_strays then
    execute format(
      'create table private.%I partition of %s for values from (%L) to (%L)',
      v_name, add_month_partition.parent, v_from, v_to);
    return true;
  end if;
  -- Rows of this month wait in the default partition: move them to a table of its own and attach that.
  -- Without the replica role the delete would cascade to children and fire counters and audit.
  execute format(
    'create table private.%I (like %s including all)', v_name, add_month_partition.parent);
  -- Generated columns refuse values; they come out the same in the new table.
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into v_columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = add_month_partition.parent
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
  perform set_config('session_replication_role', 'replica', true);
  execute format(
    'with moved as (delete from private.%I where id >= %L and id < %L returning *)
     insert into private.%I (%s) overriding system value select %s from moved',
    v_default, v_from, v_to, v_name, v_columns, v_columns);
  perform set_config('session_replication_role', 'origin', true);
  execute format(
    'alter table %s attach partition private.%I for values from (%L) to (%L)',
    add_month_partition.parent, v_name, v_from, v_to);
  return true;
end
$$;
comment on function private.add_month_partition(regclass, date) is
  'Makes one month of a partitioned table, draining its rows from the default partition; false when it is there already.';

create function private.partition_months(parent regclass) returns table (partition regclass, month date)
language sql stable
set search_path = ''
as $$
  select i.inhrelid::regclass, to_date(right(c.relname, 7), 'YYYY_MM')
  from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
  where i.inhparent = partition_months.parent
    and c.relname ~ '_\d{4}_\d{2}$'
$$;
comment on function private.partition_months(regclass) is 'The months that a partitioned table has now.';

create function private.partition_by_month(
  parent regclass,
  months_kept integer,
  before_drop regprocedure default null
) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_table text := (select relname from pg_catalog.pg_class where oid = partition_by_month.parent);
begin
  insert into private.partition_policies (parent, months_kept, before_drop)
  values (
    partition_by_month.parent, partition_by_month.months_kept, partition_by_month.before_drop::regproc);
  execute format(
    'create table private.%I partition of %s default', v_table || '_default', partition_by_month.parent);
  for i in 0..3 loop
    perform private.add_month_partition(
      partition_by_month.parent,
      (date_trunc('month', now() at time zone 'UTC') + make_interval(months => i))::date);
  end loop;
end
$$;
comment on function private.partition_by_month(regclass, integer, regprocedure) is
  'Called once by a partitioned table''s migration: sets its policy, its default partition and its first months.';

create function private.maintain_partitions() returns setof text
language plpgsql
set search_path = ''
as $$
declare
  v_policy private.partition_policies;
  v_has_changed boolean := false;
  v_this_month date := date_trunc('month', now() at time zone 'UTC');
  v_oldest date;
  v_newest date;
  v_month date;
  v_partition regclass;
  v_clock private.partition_clock;
begin
  -- One at a time; whoever comes second has nothing to do.
  if not pg_try_advisory_xact_lock(hashtextextended('private.maintain_partitions', 0)) then
    return;
  end if;

  insert into private.partition_clock as c (last_run_at, drops_held_until)
  values (now(), now())
  on conflict (only_row) do update
  set last_run_at = now(),
    drops_held_until = case
      when abs(extract(epoch from now() - c.last_run_at)) > 7 * 86400 then now() + interval '7 days'
      else c.drops_held_until
    end
  returning * into v_clock;

  -- Writes go on meanwhile: each step waits only briefly for its locks and is tried again next time. So
  -- briefly that where maintenance and writers wait for each other, it gives way before PostgreSQL ends
  -- one of them, which it does after a second (deadlock_timeout).
  perform set_config('lock_timeout', '250ms', true);
  for v_policy in
    -- Children expire before their parents, so the shorter-lived tables go first.
    select * from private.partition_policies as p order by p.months_kept, p.parent::text
  loop
    -- Writers take these tables in orders of their own: the locks of one are given back, with this
    -- transaction, before the next is touched.
    exit when v_has_changed;
    v_oldest := v_this_month - make_interval(months => v_policy.months_kept);
    v_newest := v_this_month + make_interval(months => v_policy.months_ahead);

    -- Months to come, and kept months whose rows came late and wait in the default partition.
    for v_month in execute format(
      'select month::date from generate_series(%L::date, %L::date, interval ''1 month'') as month
       union
       select date_trunc(''month'', private.uuid_v7_time(id) at time zone ''UTC'')::date
       from private.%I
       where id >= %L and id < %L
       order by 1',
      v_this_month, v_newest,
      (select relname from pg_catalog.pg_class where oid = v_policy.parent) || '_default',
      private.uuid_v7_floor(v_oldest::timestamp at time zone 'UTC'),
      private.uuid_v7_floor((v_newest + interval '1 month') at time zone 'UTC'))
    loop
      begin
        if private.add_month_partition(v_policy.parent, v_month) then
          v_has_changed := true;
          return next format('made %s %s', v_policy.parent, to_char(v_month, 'YYYY-MM'));
        end if;
      exception when lock_not_available or deadlock_detected then
        return next format('busy %s %s', v_policy.parent, to_char(v_month, 'YYYY-MM'));
      end;
    end loop;

    continue when now() < v_clock.drops_held_until;
    for v_partition, v_month in
      select m.partition, m.month
      from private.partition_months(v_policy.parent) as m
      where m.month < v_oldest
      order by m.month
    loop
      begin
        -- Nothing may come in between the counting and the end; detaching needs this lock anyway.
        execute format('lock table %s in access exclusive mode', v_policy.parent);
        if v_policy.before_drop is not null then
          execute format('select %s(%L::regclass)', v_policy.before_drop, v_partition);
        end if;
        -- `detach concurrently` is impossible beside a default partition.
        execute format('alter table %s detach partition %s', v_policy.parent, v_partition);
        execute format('drop table %s', v_partition);
        v_has_changed := true;
        return next format('dropped %s %s', v_policy.parent, to_char(v_month, 'YYYY-MM'));
      exception when lock_not_available or deadlock_detected then
        return next format('busy %s %s', v_policy.parent, to_char(v_month, 'YYYY-MM'));
      end;
    end loop;
  end loop;
end
$$;
comment on function private.maintain_partitions() is
  'Makes the months ahead, drains late rows, drops months past their time, of the first table that needs it: call it again until it answers nothing. Answers with what it did, one line each.';

insert into private.upkeep_tasks (name, task, every)
values ('maintain partitions', 'private.maintain_partitions()', interval '1 minute');

-- ---------------------------------------------------------------------------------------------------
-- Counters are kept by triggers, and every one of them can be counted again. Contexts register a check
-- for theirs in their own migrations.
-- ---------------------------------------------------------------------------------------------------
create table private.counter_checks (
  name text primary key,
  check_function text not null
    constraint check_is_a_call_of_ours check (check_function ~ '^private\.[a-z][a-z0-9_]*\(\)$')
);
comment on table private.counter_checks is
  'Functions without arguments that answer (counter text, id uuid, stored, counted), one row for each counter of their context that is wrong; private.recount() calls them.';

create function private.recount() returns table (
  counter text,
  id uuid,
  stored numeric,
  counted numeric
)
language plpgsql stable
set search_path = ''
as $$
declare
  v_check private.counter_checks;
begin
  for v_check in select * from private.counter_checks as c order by c.name loop
    return query execute format(
      'select c.counter, c.id, c.stored::numeric, c.counted::numeric from %s as c',
      v_check.check_function);
  end loop;
end
$$;
comment on function private.recount() is
  'Every counter that differs from counting its rows again (living rows and what was archived of those that are gone), with what is stored and what was counted; no row when all are right.';

-- migrate:down
