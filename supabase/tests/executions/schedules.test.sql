-- Schedules carried out: each slot once, as its creator, within the rules; trouble is counted and told.
begin;
select plan(45);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  null::uuid as org, null::uuid as team, null::uuid as flow;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;
insert into public.agents (id, organization_id, created_by_id, name, visibility)
select '00000000-0000-7000-8000-00000000000a', org, member, 'Writer', 'organization' from ids;
select tests.sign_in(member) from ids;
select public.publish_agent_version('00000000-0000-7000-8000-00000000000a');
insert into public.teams (organization_id, name, type) select org, 'Desk', 'route' from ids;
insert into public.team_agents (team_id, agent_id, position) select id, '00000000-0000-7000-8000-00000000000a', 0 from public.teams;
insert into public.workflows (organization_id, name, definition)
select org, 'Chain', '{"nodes": [{"id": "__start__", "type": "x"}, {"id": "__end__", "type": "x"}],
  "edges": [{"source": "__start__", "target": "__end__"}]}' from ids;
insert into public.schedules (organization_id, agent_id, team_id, workflow_id, name, frequency, interval, input)
select org, s.agent_id::uuid, case s.name when 'team' then (select id from public.teams) end,
  case s.name when 'flow' then (select id from public.workflows) end, s.name, 'minutes', 10, '{"message": "Go"}'
from ids, (values ('agent', '00000000-0000-7000-8000-00000000000a'), ('team', null), ('flow', null)) as s (name, agent_id);
select tests.sign_out();

create function pg_temp.make_due(name text, due_at timestamptz default now() - interval '1 minute') returns void
language sql
as $$
  update public.schedules as s set next_run_at = make_due.due_at where s.name = make_due.name
$$;
-- Whatever runs has ended.
create function pg_temp.finish(status text, error_code text default null) returns void
language sql
as $$
  update public.executions set status = 'running' where status = 'pending';
  update public.executions set status = finish.status, error_code = finish.error_code where status = 'running'
$$;
create function pg_temp.agent_schedule() returns public.schedules
language sql stable
as $$
  select s from public.schedules as s where s.name = 'agent'
$$;

select is(private.fire_due_schedules(), 0, 'nothing is due yet');
select pg_temp.make_due(name) from public.schedules;
select is(private.fire_due_schedules(), 3, 'what is due is carried out');
select is(private.fire_due_schedules(), 0, 'once');
select set_eq(
  $$select e.target_type, e.user_id, e.trigger_source, e.input ->> 'message' as message, r.outcome, r.due_at
    from public.schedule_runs as r join public.executions as e on e.id = r.execution_id$$,
  $$select t, member, 'schedule', 'Go' as message, 'started' as outcome, now() - interval '1 minute' as due_at
    from ids, unnest(array['agent', 'team', 'workflow']) as t$$,
  'as a run of its creator, kept in the history');
select is(
  current_setting('request.jwt.claims', true), '', 'nobody stays signed in behind it');
select results_eq(
  'select distinct last_run_at, next_run_at > now(), next_run_at <= now() + interval ''10 minutes'' from public.schedules',
  'values (now(), true, true)', 'and the next slot is planned');

-- Overlap
select pg_temp.make_due('agent', now() - interval '59 seconds');
select private.fire_due_schedules();
select is(
  (select outcome from public.schedule_runs where schedule_id = (pg_temp.agent_schedule()).id order by due_at desc limit 1),
  'skipped', 'a slot is skipped while the run before it goes on');
update public.schedules set overlap = 'allow' where name = 'agent';
select pg_temp.make_due('agent', now() - interval '58 seconds');
select private.fire_due_schedules();
select is(
  (select outcome from public.schedule_runs where schedule_id = (pg_temp.agent_schedule()).id order by due_at desc limit 1),
  'started', 'unless it may overlap');
update public.schedules set overlap = 'skip' where name = 'agent';
select pg_temp.finish('completed');
select is((pg_temp.agent_schedule()).consecutive_failures, 0, 'runs that complete are no failures');

-- Downtime
select pg_temp.make_due('agent', now() - interval '3 days');
select private.fire_due_schedules();
select is(
  (select count(*) from public.schedule_runs where schedule_id = (pg_temp.agent_schedule()).id), 4::bigint,
  'slots that were missed together are carried out as one');
select cmp_ok((pg_temp.agent_schedule()).next_run_at, '>', now(), 'and the next lies ahead');
select pg_temp.finish('completed');

-- Clocks
update public.schedules set last_run_at = now() + interval '5 years', next_run_at = now() + interval '5 years' where name = 'agent';
select private.fire_due_schedules();
select cmp_ok((pg_temp.agent_schedule()).next_run_at, '<=', now() + interval '10 minutes',
  'a clock that was in the future does not stop a schedule');
select is((pg_temp.agent_schedule()).last_run_at, now(), 'nor leaves its mark');
select pg_temp.make_due('agent', now() - interval '3 days');
select is(private.fire_due_schedules(), 0, 'a slot that was carried out before the clock was set back');
select is((select count(*) from public.executions where status = 'pending'), 0::bigint, 'is not carried out again');
update public.schedules set next_run_at = now() + interval '1 second' where name = 'agent';
select is(private.fire_due_schedules(), 0, 'nothing is carried out early');

-- Failures
select pg_temp.make_due('agent');
select private.fire_due_schedules();
select pg_temp.finish('failed', 'internal_error');
select is((pg_temp.agent_schedule()).consecutive_failures, 0, 'a slot that was carried out before counts nothing');
select pg_temp.make_due('agent', now() - interval '57 seconds');
select private.fire_due_schedules();
select pg_temp.finish('failed', 'internal_error');
select is((pg_temp.agent_schedule()).consecutive_failures, 1, 'a run that failed counts');
select pg_temp.make_due('agent', now() - interval '56 seconds');
select private.fire_due_schedules();
select pg_temp.finish('cancelled');
select is((pg_temp.agent_schedule()).consecutive_failures, 1, 'one that was cancelled says nothing');
update public.agents set status = 'paused';
select pg_temp.make_due('agent', now() - interval '55 seconds');
select private.fire_due_schedules();
select results_eq(
  $$select outcome, error_code, error_message, execution_id from public.schedule_runs order by due_at desc limit 1$$,
  $$values ('refused', 'agent_not_active', 'Writer is paused.', null::uuid)$$,
  'what is refused is kept with the reason');
select is((pg_temp.agent_schedule()).consecutive_failures, 2, 'and counts');
update public.agents set status = 'active';
select pg_temp.make_due('agent', now() - interval '54 seconds');
select private.fire_due_schedules();
select pg_temp.finish('completed');
select is((pg_temp.agent_schedule()).consecutive_failures, 0, 'success begins the count anew');
update public.agents set status = 'paused';
do $$
begin
  for n in 1..9 loop
    perform pg_temp.make_due('agent', now() - make_interval(secs => 53 - n));
    perform private.fire_due_schedules();
  end loop;
end
$$;
select is((pg_temp.agent_schedule()).consecutive_failures, 9, 'nine times in a row');
select ok((pg_temp.agent_schedule()).enabled, 'are not the end');
select is_empty($$select from public.notifications where kind = 'schedule.paused'$$, 'and no news');
select pg_temp.make_due('agent', now() - interval '40 seconds');
select private.fire_due_schedules();
select ok(not (pg_temp.agent_schedule()).enabled, 'the tenth pauses it');
select is((pg_temp.agent_schedule()).next_run_at, null, 'nothing is to come');
select results_eq(
  $$select user_id, payload ->> 'name', payload ->> 'reason' from public.notifications where kind = 'schedule.paused'$$,
  $$select member, 'agent', 'failures' from ids$$, 'and its creator is told');
select is(private.fire_due_schedules(), 0, 'a paused schedule does nothing');
update public.agents set status = 'active';
select tests.sign_in(member) from ids;
update public.schedules set enabled = true where name = 'agent';
select is((select consecutive_failures from public.schedules where name = 'agent'), 0, 'switched on again, it has ten tries');
select isnt((select next_run_at from public.schedules where name = 'agent'), null, 'and is planned');
select tests.sign_out();
-- The tenth may also be a run that ends badly.
update public.schedules set consecutive_failures = 9 where name = 'agent';
select pg_temp.make_due('agent', now() - interval '39 seconds');
select private.fire_due_schedules();
select pg_temp.finish('failed', 'internal_error');
select ok(not (pg_temp.agent_schedule()).enabled, 'a tenth run that fails pauses it too');
update public.schedules set enabled = true where name = 'agent';

-- The same rules as for its creator
update public.organizations set max_executions_per_month = 0 where id = (select org from ids);
select pg_temp.make_due('team', now() - interval '30 seconds');
select private.fire_due_schedules();
select is((select error_code from public.schedule_runs order by created_at desc, due_at desc limit 1), 'execution_quota_exceeded',
  'schedules are within the quota');
update public.organizations set max_executions_per_month = 1000 where id = (select org from ids);
update public.organization_members as m set role = 'viewer' from ids where m.user_id = ids.member and m.organization_id = ids.org;
select pg_temp.make_due('flow', now() - interval '29 seconds');
select private.fire_due_schedules();
select is((select error_code from public.schedule_runs order by created_at desc, due_at desc limit 1), 'not_allowed',
  'and do no more than their creators may');
update public.organization_members as m set role = 'member' from ids where m.user_id = ids.member and m.organization_id = ids.org;

-- An organization that may come back
update public.organizations set deleted_at = now() where id = (select org from ids);
select pg_temp.make_due('agent', now() - interval '28 seconds');
select is(private.fire_due_schedules(), 0, 'a deleted organization runs nothing');
select ok((pg_temp.agent_schedule()).enabled, 'its schedules stay on for its return');
update public.organizations set deleted_at = null where id = (select org from ids);

-- Once, and ends
insert into public.schedules (organization_id, created_by_id, agent_id, name, frequency, starts_at)
select org, member, '00000000-0000-7000-8000-00000000000a', 'once', 'once', now() + interval '1 hour' from ids;
select pg_temp.make_due('once');
select is(private.fire_due_schedules(), 1, 'once runs');
update public.schedules set starts_at = now() - interval '1 hour' where name = 'once';
select is((select next_run_at from public.schedules where name = 'once'), null, 'and is over when its instant has passed');

-- The creator is gone
select pg_temp.finish('completed');
delete from public.notifications;
delete from public.organization_members as m using ids where m.user_id = ids.member and m.organization_id = ids.org;
select pg_temp.make_due('agent', now() - interval '27 seconds');
select is(private.fire_due_schedules(), 0, 'whose creator has left the organization');
select ok(not (pg_temp.agent_schedule()).enabled, 'is paused');
select results_eq(
  $$select user_id, payload ->> 'reason' from public.notifications where kind = 'schedule.paused'$$,
  $$select owner, 'creator_gone' from ids$$, 'and the admins are told');
select tests.add_member(org, member, 'member') from ids;
update public.profiles as p set is_active = false from ids where p.id = member;
update public.schedules set enabled = true where name = 'agent';
select pg_temp.make_due('agent', now() - interval '26 seconds');
select private.fire_due_schedules();
select ok(not (pg_temp.agent_schedule()).enabled, 'the same when the account is deactivated');

-- Upkeep and history
select is(
  (select every from private.upkeep_tasks where task = 'private.fire_due_schedules()'), interval '1 second', 'upkeep fires every second');
update public.schedule_runs set created_at = now() - interval '2 years' where outcome = 'skipped';
select private.forget_schedule_runs();
select is_empty($$select from public.schedule_runs where outcome = 'skipped'$$, 'history is kept for a year');
select is_empty('select * from private.recount()', 'every counter is right');

select * from finish();
rollback;
