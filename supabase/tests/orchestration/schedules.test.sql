begin;
select plan(34);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('viewer') as viewer, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as agent, null::uuid as schedule;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member'), tests.add_member(org, viewer, 'viewer') from ids;
insert into public.agents (organization_id, created_by_id, name, visibility)
select org, owner, 'Writer', 'organization' from ids;
update ids set agent = (select id from public.agents where name = 'Writer');

select tests.sign_in(member) from ids;
select lives_ok(
  $$insert into public.schedules (organization_id, agent_id, name, frequency, time_of_day, timezone, starts_at)
    select org, agent, 'Every morning', 'daily', '08:00', 'Europe/Berlin', '2026-01-01Z' from ids$$,
  'a member schedules an agent');
update ids set schedule = (select id from public.schedules);
select is(
  (select next_run_at at time zone 'Europe/Berlin' from public.schedules)::time, '08:00'::time,
  'it is due at eight in the morning there');
select ok((select next_run_at > now() from public.schedules), 'and not before now');
select results_eq(
  $$select (t at time zone 'Europe/Berlin')::time from ids, public.preview_schedule(schedule, 3) as t$$,
  array['08:00', '08:00', '08:00']::time[], 'a preview shows the next times');
update public.schedules set time_of_day = '09:30';
select is(
  (select next_run_at at time zone 'Europe/Berlin' from public.schedules)::time, '09:30'::time,
  'every edit plans anew');
select throws_ok(
  $$update public.schedules set timezone = 'Europe/Atlantis'$$, 'PT400', null, 'a time zone has to exist');
select throws_ok(
  $$update public.schedules set next_run_at = now()$$, '42501', null, 'nobody sets when it is due');
select throws_ok(
  'update public.schedules set interval = -1', '23514', null, 'an interval that counts backwards is refused');
select throws_ok('update public.schedules set interval = 0', '23514', null, 'as is one that stands still');
select throws_ok(
  $$update public.schedules set frequency = 'weekly', days_of_week = '{null}'$$, '23514', null,
  'and a day that is none');
select throws_ok('update public.schedules set timezone = null', '23502', null, 'a schedule has a time zone');
select throws_ok('update public.schedules set frequency = null', '23502', null, 'and a frequency');
update public.schedules set starts_at = '2026-01-01 00:00:00.75Z';
select is(
  (select starts_at from public.schedules), '2026-01-01 00:00:00Z'::timestamptz, 'it starts at a whole second');
select throws_ok(
  $$insert into public.schedules (organization_id, name, frequency) select org, 'Nothing', 'daily' from ids$$,
  '23514', null, 'a schedule runs something');
select throws_ok(
  $$insert into public.schedules (organization_id, agent_id, name, frequency, days_of_week)
    select org, agent, 'Odd', 'daily', '{1}' from ids$$,
  '23514', null, 'days of the week are for weekly ones');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "once", "interval": 1, "timezone": "UTC",
      "starts_at": "2026-01-01T00:00:00Z"}'), '2026-01-01Z'),
  null, 'once is over at its instant');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "daily", "interval": 1, "timezone": "America/New_York",
      "starts_at": "2026-01-01T00:00:00Z", "time_of_day": "02:30"}'), '2026-03-07 12:00Z'),
  '2026-03-08 07:00Z'::timestamptz, 'a time that the clocks skip moves to the instant at which they do');
select results_eq(
  $$select private.first_instant('2026-03-29 02:00'::timestamp + f, 'Europe/Berlin')
    from unnest(array['0 s', '0.001 s', '0.5 s', '59 min 59.9 s']::interval[]) as f$$,
  $$select '2026-03-29 01:00Z'::timestamptz from generate_series(1, 4)$$, 'to the fraction of a second');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "daily", "interval": 1, "timezone": "America/New_York",
      "starts_at": "2026-01-01T00:00:00Z", "time_of_day": "01:30"}'), '2026-11-01 05:30Z'),
  '2026-11-02 06:30Z'::timestamptz, 'a time that comes twice fires once');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "monthly", "interval": 1, "timezone": "UTC",
      "starts_at": "2026-01-01T00:00:00Z", "day_of_month": 31}'), '2026-02-01Z'),
  '2026-02-28 00:00Z'::timestamptz, 'the 31st is the last day of every month');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "minutes", "interval": 90, "timezone": "America/New_York",
      "starts_at": "2026-03-08T06:00:00Z"}'), '2026-03-08 06:00Z'),
  '2026-03-08 07:30Z'::timestamptz, 'minutes count elapsed time, whatever the clocks do');
select is(
  private.next_run_at(
    jsonb_populate_record(null::public.schedules, '{"frequency": "daily", "interval": 1, "timezone": "UTC",
      "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-03T00:00:00Z"}'), '2026-01-03Z'),
  null, 'nothing is due after its end');

select tests.sign_in(viewer) from ids;
select is((select count(*) from public.schedules), 1::bigint, 'a viewer reads schedules');
select is_empty($$update public.schedules set name = 'Mine' returning id$$, 'a viewer changes none');
select tests.sign_in(owner) from ids;
select isnt_empty($$update public.schedules set name = 'Ours' returning id$$, 'an admin changes everybody''s');
select tests.sign_in(stranger) from ids;
select is_empty('select from public.schedules', 'a stranger sees none');
select throws_ok(
  'select * from ids, public.preview_schedule(schedule)', 'PT404', null, 'nor a preview of one');
select throws_ok(
  $$insert into public.schedules (organization_id, agent_id, name, frequency) select org, agent, 'x', 'daily' from ids$$,
  '42501', null, 'a stranger schedules nothing there');

select tests.sign_in(member) from ids;
insert into public.workflows (organization_id, name, definition)
select org, 'Digest', '{"nodes": [{"id": "__start__", "type": "x"}, {"id": "__end__", "type": "x"}],
  "edges": [{"source": "__start__", "target": "__end__"}]}' from ids;
create function pg_temp.plan(kind text) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into public.schedules (organization_id, %s_id, name, frequency) select org, %s, ''By key'', ''daily'' from ids',
    kind, case kind when 'agent' then 'agent' else '(select id from public.workflows)' end))
$$;
grant execute on function pg_temp.plan to public;
select tests.sign_in_with_key(member, org, 'agents:read', 'orchestration:read', 'orchestration:write', 'orchestration:run')
from ids;
select is(pg_temp.plan('agent'), '42501', 'a key that may not run agents schedules none');
select is_empty($$update public.schedules set name = 'By key' where agent_id is not null returning id$$, 'nor edits a schedule of one');
select is(pg_temp.plan('workflow'), null, 'what it may run it schedules');
select tests.sign_in_with_key(member, org, 'agents:read', 'agents:run', 'orchestration:read', 'orchestration:write')
from ids;
select is(pg_temp.plan('workflow'), '42501', 'a key that may not run workflows schedules none');
select is(pg_temp.plan('agent'), null, 'but an agent that it may run');

select tests.sign_in_as_anon();
select throws_ok('select from public.schedules', '42501', null, 'signed out, nobody reads them');

select * from finish();
rollback;
