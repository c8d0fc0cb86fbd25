-- Who reads a run and what hangs on it, who may stop it, and that nobody writes it past the functions.
begin;
select plan(77);

select tests.create_user(username)
from unnest(array['owner', 'admin', 'creator', 'member', 'runner', 'viewer', 'shared', 'leaver', 'stranger']) as username;
create function pg_temp.person(username text) returns uuid
language sql stable security definer
as $$
  select id from public.profiles as p where p.username = person.username
$$;
select tests.create_organization(pg_temp.person('owner'), 'Atelier');
create function pg_temp.atelier() returns uuid
language sql stable security definer
as $$
  select id from public.organizations where name = 'Atelier'
$$;
select tests.add_member(pg_temp.atelier(), pg_temp.person(m.username), m.role)
from (values ('admin', 'admin'::public.org_role), ('creator', 'member'), ('member', 'member'),
  ('runner', 'member'), ('viewer', 'viewer')) as m (username, role);
insert into public.agents (id, organization_id, created_by_id, name, visibility)
values
  ('00000000-0000-7000-8000-00000000000a', pg_temp.atelier(), pg_temp.person('creator'), 'Helper', 'organization'),
  ('00000000-0000-7000-8000-00000000000b', pg_temp.atelier(), pg_temp.person('member'), 'Other', 'organization');

-- One run by a member, one by somebody it is shared with, one by who has left, one of another agent.
insert into public.executions (organization_id, user_id, agent_id, agent_version_id, input)
select pg_temp.atelier(), pg_temp.person(r.username), r.agent_id::uuid, private.uuid_v7(),
  jsonb_build_object('message', r.username)
from (values
  ('runner', '00000000-0000-7000-8000-00000000000a'),
  ('shared', '00000000-0000-7000-8000-00000000000a'),
  ('leaver', '00000000-0000-7000-8000-00000000000a'),
  ('owner', '00000000-0000-7000-8000-00000000000b')) as r (username, agent_id);
insert into public.execution_steps (execution_id, sequence_number, attempt, step_name, step_type)
select id, 1, 1, 'Call', 'llm_call' from public.executions;
insert into public.execution_logs (execution_id, sequence_number, level, message)
select id, 1, 'info', 'Hello' from public.executions;
insert into public.execution_events (execution_id, seq, kind, payload)
select id, 1, 'delta', '{"text": "Hello"}' from public.executions;
insert into public.execution_artifacts (execution_id, name, type, size_bytes, storage_path)
select id, 'a.txt', 'text/plain', 1, organization_id || '/' || id || '/a.txt' from public.executions;
insert into public.execution_approvals (execution_id, tool, expires_at)
select id, 'mail', now() + interval '1 hour' from public.executions;
insert into storage.objects (bucket_id, name) select 'artifacts', storage_path from public.execution_artifacts;

create function pg_temp.run_of(username text) returns uuid
language sql stable security definer
as $$
  select e.id from public.executions as e where e.input ->> 'message' = run_of.username
$$;
create function pg_temp.code_of(statement text) returns text
language plpgsql
as $$
declare
  v_code text;
  v_detail text;
begin
  execute statement;
  return 'done';
exception when others then
  get stacked diagnostics v_code = returned_sqlstate, v_detail = pg_exception_detail;
  return case when v_code like 'PT%' then v_detail else v_code end;
end
$$;
grant execute on function pg_temp.person(text), pg_temp.atelier(), pg_temp.run_of(text), pg_temp.code_of(text)
  to anon, authenticated, service_role;

-- Reading: whose messages a persona sees, and as many of everything that hangs on the runs.
create function pg_temp.sees() returns text
language plpgsql
as $$
declare
  v_seen text;
  v_children bigint[];
begin
  select coalesce(string_agg(input ->> 'message', ' ' order by input ->> 'message'), 'nothing'),
    array_agg(distinct n.number order by n.number)
  into v_seen, v_children
  from public.executions as e,
    lateral (values
      ((select count(*) from public.execution_steps as s where s.execution_id = e.id)),
      ((select count(*) from public.execution_logs as l where l.execution_id = e.id)),
      ((select count(*) from public.execution_events as v where v.execution_id = e.id)),
      ((select count(*) from public.execution_artifacts as a where a.execution_id = e.id)),
      ((select count(*) from public.execution_approvals as a where a.execution_id = e.id)),
      ((select count(*) from storage.objects as o where o.name like '%/' || e.id || '/a.txt'))) as n (number)
  where true;
  select coalesce(string_agg(input ->> 'message', ' ' order by input ->> 'message'), 'nothing')
  into v_seen from public.executions;
  return v_seen || case
    when v_children <> array[1::bigint] then ' but not all that hangs on them'
    when (select count(*) from public.execution_steps) <> (select count(*) from public.executions)
      or (select count(*) from public.execution_logs) <> (select count(*) from public.executions)
      or (select count(*) from public.execution_events) <> (select count(*) from public.executions)
      or (select count(*) from public.execution_artifacts) <> (select count(*) from public.executions)
      or (select count(*) from public.execution_approvals) <> (select count(*) from public.executions)
      or (select count(*) from storage.objects where bucket_id = 'artifacts') <> (select count(*) from public.executions)
      then ' and more than hangs on them'
    else ''
  end;
end
$$;
grant execute on function pg_temp.sees() to anon, authenticated;
create temporary table expected (username text, runs text);
insert into expected values
  ('owner', 'leaver owner runner shared'),
  ('admin', 'leaver owner runner shared'),
  ('creator', 'leaver runner shared'),
  ('member', 'owner'),
  ('runner', 'runner'),
  ('viewer', 'nothing'),
  ('shared', 'shared'),
  ('leaver', 'leaver'),
  ('stranger', 'nothing');
grant select on expected to authenticated;
create function pg_temp.seen_by(username text) returns text
language plpgsql
as $$
declare
  v_seen text;
begin
  perform tests.sign_in(pg_temp.person(username));
  v_seen := pg_temp.sees();
  perform tests.sign_out();
  return v_seen;
end
$$;
select is(pg_temp.seen_by(username), runs, format('the %s reads the runs of: %s', username, runs)) from expected;

-- Functions go past the policies, so they must say the same.
create function pg_temp.reached_by(username text) returns text
language plpgsql
as $$
declare
  v_reached text;
begin
  perform tests.sign_in(pg_temp.person(username));
  select coalesce(string_agg(r.username, ' ' order by r.username), 'nothing') into v_reached
  from unnest(array['leaver', 'owner', 'runner', 'shared']) as r (username)
  where pg_temp.code_of(format('select public.retry_execution(%L)', pg_temp.run_of(r.username))) = 'execution_not_finished';
  perform tests.sign_out();
  return v_reached;
end
$$;
select is(pg_temp.reached_by(username), runs, format('and the functions agree for the %s', username)) from expected;

-- Channels ask the same policies.
create function pg_temp.joins(username text) returns text
language plpgsql
as $$
declare
  v_joins text := '';
  v_run text;
begin
  foreach v_run in array array['leaver', 'owner', 'runner', 'shared'] loop
    perform tests.sign_out();
    delete from realtime.messages;
    insert into realtime.messages (topic, extension) values ('execution:' || pg_temp.run_of(v_run), 'broadcast');
    perform set_config('realtime.topic', 'execution:' || pg_temp.run_of(v_run), true);
    perform tests.sign_in(pg_temp.person(username));
    if exists (select from realtime.messages) then
      v_joins := v_joins || ' ' || v_run;
    end if;
  end loop;
  perform tests.sign_out();
  return coalesce(nullif(ltrim(v_joins), ''), 'nothing');
end
$$;
select is(pg_temp.joins(username), runs, format('the %s may listen to the same', username)) from expected;
select tests.sign_in(pg_temp.person('owner'));
select ok(not private.can_join_channel('execution:' || gen_random_uuid()), 'nobody listens to a run that is not there');
select ok(not private.can_join_channel('execution:x'), 'nor to what is no id');
select ok(not private.can_join_channel('organization:' || pg_temp.atelier()), 'nor to a kind of channel that is not there');
select tests.sign_out();
update public.profiles set is_active = false where id = pg_temp.person('runner');
select is(pg_temp.joins('runner'), 'nothing', 'a deactivated account listens to nothing');
update public.profiles set is_active = true where id = pg_temp.person('runner');

-- Membership decides at every request.
delete from public.organization_members
where organization_id = pg_temp.atelier() and user_id in (pg_temp.person('creator'), pg_temp.person('admin'));
select is(pg_temp.seen_by('creator'), 'nothing', 'the creator of an agent who has left reads its runs no more');
select is(pg_temp.seen_by('admin'), 'nothing', 'an admin who has left reads nothing');
select tests.add_member(pg_temp.atelier(), pg_temp.person('creator'), 'viewer');
select is(pg_temp.seen_by('creator'), 'nothing', 'a creator who became a viewer reads the runs of others no more');
update public.organization_members set role = 'member'
where organization_id = pg_temp.atelier() and user_id = pg_temp.person('creator');

-- API keys
select tests.sign_in_with_key(pg_temp.person('owner'), pg_temp.atelier(), 'executions:read');
select is(pg_temp.sees(), 'leaver owner runner shared', 'a key with executions:read reads what its user reads');
select tests.sign_out();
select tests.sign_in_with_key(pg_temp.person('owner'), pg_temp.atelier(), 'agents:read');
select is((select count(*) from public.executions), 0::bigint, 'a key without it reads nothing');
select is((select count(*) from public.execution_steps), 0::bigint, 'not by way of the steps');
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', pg_temp.run_of('owner'))), 'scope_missing',
  'a key without executions:write cancels nothing');
select is(
  pg_temp.code_of(format('select public.retry_execution(%L)', pg_temp.run_of('owner'))), 'scope_missing',
  'a key without agents:run repeats nothing');
select tests.sign_out();
select tests.sign_in_with_key(pg_temp.person('owner'), pg_temp.atelier(), 'executions:write', 'agents:run');
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', pg_temp.run_of('owner'))), 'scope_missing',
  'a key that may not read runs gets none back by cancelling it');
select is(
  pg_temp.code_of(format('select public.retry_execution(%L)', pg_temp.run_of('owner'))), 'scope_missing',
  'nor the input of one by repeating it');
select tests.sign_out();
select tests.sign_in_with_key(
  pg_temp.person('shared'), tests.personal_organization(pg_temp.person('shared')), 'executions:read', 'executions:write');
select is((select count(*) from public.executions), 0::bigint, 'a key reads its user''s runs in its own organization only');
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', pg_temp.run_of('shared'))), 'execution_not_found',
  'and stops none elsewhere');
select tests.sign_out();

-- Nobody writes past the functions.
select tests.sign_in(pg_temp.person('owner'));
select is(pg_temp.code_of(statement), '42501', format('an owner cannot %s', split_part(statement, ' where', 1)))
from unnest(array[
  'insert into public.executions (organization_id) values (null)',
  'update public.executions set status = ''completed''',
  'delete from public.executions',
  'update public.execution_steps set cost_usd = 0',
  'delete from public.execution_steps',
  'delete from public.execution_logs',
  'delete from public.execution_events',
  'delete from public.execution_artifacts',
  'update public.execution_approvals set status = ''approved''',
  'update public.models set output_usd_per_million = 0',
  'select * from private.execution_queue',
  'select * from private.execution_totals',
  'select * from private.claim_execution(''me'')',
  'select private.complete_execution(private.uuid_v7(), 1, ''{}'')',
  'select private.enqueue_execution(null)',
  'select * from private.read_token(null, null, ''KEY'')']) as statement;
select tests.sign_out();
select tests.sign_in_as_anon();
select is(pg_temp.code_of(statement), '42501', format('anon cannot %s', statement))
from unnest(array[
  'select from public.executions', 'select from public.execution_steps', 'select from public.execution_logs',
  'select from public.execution_events', 'select from public.execution_artifacts',
  'select from public.execution_approvals', 'select public.run_agent(private.uuid_v7())',
  'select public.cancel_execution(private.uuid_v7())']) as statement;
select isnt_empty('select from public.models', 'anon reads the models');
select tests.sign_out();

-- What an operator changes in the table editor keeps the queue right.
select tests.sign_in_as_service_role();
update public.executions set status = 'cancelled' where id = pg_temp.run_of('leaver');
select tests.sign_out();
select is_empty(
  'select from private.execution_queue where execution_id = pg_temp.run_of(''leaver'')',
  'a run that the operator cancels leaves the queue');

-- An agent's state is for those who see the agent.
select tests.sign_in(pg_temp.person('member'));
select is(
  (select public.runtime_status(a) from public.agents as a where a.name = 'Helper'), 'running',
  'whoever sees an agent learns whether it runs');
select tests.sign_in(pg_temp.person('stranger'));
select is(
  public.runtime_status(jsonb_populate_record(
    null::public.agents, '{"id": "00000000-0000-7000-8000-00000000000a", "status": "active"}')), 'created',
  'who does not, does not, by its id either');
select tests.sign_out();

-- Stopping
select tests.sign_in(pg_temp.person('stranger'));
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', pg_temp.run_of('runner'))), 'execution_not_found',
  'a stranger cannot stop a run');
select tests.sign_in(pg_temp.person('member'));
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', pg_temp.run_of('runner'))), 'execution_not_found',
  'nor a member whose run and agent it is not');
select tests.sign_out();
select is((select status from public.executions where id = pg_temp.run_of('runner')), 'pending', 'and it goes on');
select tests.sign_in(pg_temp.person('creator'));
select is((public.cancel_execution(pg_temp.run_of('runner'))).status, 'cancelled', 'the agent''s creator can');
select tests.sign_in(pg_temp.person('shared'));
select is((public.cancel_execution(pg_temp.run_of('shared'))).status, 'cancelled', 'and whoever asked for it');
select is(
  (select count(*) from public.execution_steps where status = 'running'), 1::bigint,
  'a run that was not running leaves its steps alone');

select * from finish();
rollback;
