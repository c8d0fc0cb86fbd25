-- Asking for a run: who may, of which version, with what input, once per key, within quota and budget.
begin;
select plan(56);

select tests.create_user(username) from unnest(array['owner', 'editor', 'member', 'viewer', 'shared', 'stranger']) as username;
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
from (values ('editor', 'member'::public.org_role), ('member', 'member'), ('viewer', 'viewer')) as m (username, role);
insert into public.agents (id, organization_id, created_by_id, name, visibility, system_prompt, model, max_tokens)
values
  ('00000000-0000-7000-8000-00000000000a', pg_temp.atelier(), pg_temp.person('editor'), 'Poet', 'public', 'Rhyme about {{topic}}.', 'openai/gpt-5', 1000),
  ('00000000-0000-7000-8000-00000000000b', pg_temp.atelier(), pg_temp.person('editor'), 'Sketch', 'organization', 'Draw.', 'demo/echo', null);
insert into public.agent_parameters (agent_id, name, type, required, default_value)
values
  ('00000000-0000-7000-8000-00000000000a', 'topic', 'string', true, null),
  ('00000000-0000-7000-8000-00000000000a', 'lines', 'number', false, '4');
insert into public.agent_shares (agent_id, user_id, permission)
values ('00000000-0000-7000-8000-00000000000a', pg_temp.person('shared'), 'use');
select tests.sign_in(pg_temp.person('editor'));
select public.publish_agent_version('00000000-0000-7000-8000-00000000000a');
select tests.sign_out();

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
  return case when v_code like 'PT%' then v_detail else v_code || ' ' || sqlerrm end;
end
$$;
create function pg_temp.poet(rest text) returns text
language sql immutable
as $$
  select format('select public.run_agent(''00000000-0000-7000-8000-00000000000a'', ''{"parameters": {"topic": "rain"}}''%s)', rest)
$$;
create function pg_temp.sketch(rest text) returns text
language sql immutable
as $$
  select format('select public.run_agent(''00000000-0000-7000-8000-00000000000b''%s)', rest)
$$;
create function pg_temp.runs() returns bigint
language sql stable security definer
as $$
  select count(*) from public.executions
$$;
grant execute on function pg_temp.person(text), pg_temp.atelier(), pg_temp.code_of(text), pg_temp.poet(text),
  pg_temp.sketch(text), pg_temp.runs() to anon, authenticated;

-- Who
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'a member runs an agent of the organization');
select tests.sign_in(pg_temp.person('shared'));
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'so does somebody it is shared with');
select tests.sign_in(pg_temp.person('viewer'));
select is(pg_temp.code_of(pg_temp.poet('')), 'not_allowed', 'a viewer does not');
select tests.sign_in(pg_temp.person('stranger'));
select is(pg_temp.code_of(pg_temp.poet('')), 'not_allowed', 'a stranger does not run a public agent');
select is(pg_temp.code_of(pg_temp.sketch('')), 'agent_not_found', 'and does not learn of others');
select tests.sign_out();
select is(pg_temp.runs(), 2::bigint, 'refused runs leave nothing behind');
select results_eq(
  'select p.username, e.organization_id, e.trigger_source, e.credited_agent_id is not null
    from public.executions as e join public.profiles as p on p.id = e.user_id order by e.id',
  $$values ('member'::text, pg_temp.atelier(), 'user'::text, false), ('shared', pg_temp.atelier(), 'user', true)$$,
  'the agent''s organization pays; only runs of outsiders count for the agent');
select tests.sign_in_with_key(pg_temp.person('member'), pg_temp.atelier(), 'agents:read', 'agents:run');
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'a key with agents:run runs');
select tests.sign_out();
select is((select trigger_source from public.executions order by id desc limit 1), 'api', 'which the run remembers');
select tests.sign_in_with_key(pg_temp.person('member'), pg_temp.atelier(), 'agents:read', 'agents:write');
select is(pg_temp.code_of(pg_temp.poet('')), 'scope_missing', 'a key without it does not');
select tests.sign_out();
select tests.sign_in_with_key(
  pg_temp.person('member'), tests.personal_organization(pg_temp.person('member')), 'agents:run', 'catalog:read');
select isnt(pg_temp.code_of(pg_temp.poet('')), 'done', 'nor a key of another organization');
select tests.sign_out();

-- Which version
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of(pg_temp.sketch('')), 'agent_not_published', 'without a version there is nothing to run');
select is(pg_temp.code_of(pg_temp.poet(format(', version_id => %L', private.uuid_v7()))), 'version_not_found', 'nor one that is not there');
select is(pg_temp.code_of(pg_temp.sketch(', draft => true')), 'done', 'whoever may edit runs the draft');
select tests.sign_out();
select results_eq(
  $$select v.is_published, v.system_prompt from public.executions as e join public.agent_versions as v on v.id = e.agent_version_id
    where e.agent_id = '00000000-0000-7000-8000-00000000000b'$$,
  $$values (false, 'Draw.')$$,
  'as the version that froze it');
select tests.sign_in(pg_temp.person('shared'));
select is(pg_temp.code_of(pg_temp.poet(', draft => true')), 'not_allowed', 'whoever may only use does not');
select tests.sign_in(pg_temp.person('editor'));
update public.agents set system_prompt = 'Rhyme about {{topic}}, please.' where id = '00000000-0000-7000-8000-00000000000a';
select public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "snow"}}', draft => true);
select tests.sign_out();
create temporary table frozen as
select id from public.agent_versions where agent_id = '00000000-0000-7000-8000-00000000000a' and not is_published;
grant select on frozen to authenticated;
select tests.sign_in(pg_temp.person('shared'));
select is(
  pg_temp.code_of(pg_temp.poet(format(', version_id => %L', (select id from frozen)))), 'version_not_found',
  'a frozen draft is for editors');
select tests.sign_in(pg_temp.person('editor'));
select is(pg_temp.code_of(pg_temp.poet(format(', version_id => %L', (select id from frozen)))), 'done', 'who may run it again');
select is(
  pg_temp.code_of(pg_temp.poet(format(', draft => true, version_id => %L', (select id from frozen)))), 'input_invalid',
  'a version or the draft, not both');
update public.agents set status = 'paused' where id = '00000000-0000-7000-8000-00000000000a';
select is(pg_temp.code_of(pg_temp.poet('')), 'agent_not_active', 'a paused agent does not run');
update public.agents set status = 'active' where id = '00000000-0000-7000-8000-00000000000a';
select tests.sign_out();

-- Input
delete from public.executions;
select tests.sign_in(pg_temp.person('member'));
select is(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"message": "Go", "parameters": {"topic": "rain"}}')).input,
  '{"message": "Go", "parameters": {"topic": "rain", "lines": 4}}'::jsonb,
  'defaults are filled in');
select is(
  pg_temp.code_of(format('select public.run_agent(''00000000-0000-7000-8000-00000000000a'', %L)', input)), code,
  format('refused as %s: %s', code, left(input, 40)))
from (values
  ('{}', 'parameter_missing'),
  ('{"parameters": {"topic": 7}}', 'parameter_invalid'),
  ('{"parameters": {"topic": "rain", "colour": "red"}}', 'parameter_unknown'),
  ('{"parameters": []}', 'input_invalid'),
  ('{"message": {"text": "x"}}', 'input_invalid'),
  ('{"messages": []}', 'input_invalid'),
  ('[]', 'input_invalid'),
  ('null', 'input_invalid'),
  (jsonb_build_object('message', repeat('x', 1048577))::text, 'input_too_large')) as refused (input, code);
select is(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}',
    session_id => '00000000-0000-7000-8000-0000000000ff')).session_id,
  '00000000-0000-7000-8000-0000000000ff'::uuid, 'a session is kept');

-- Idempotency
create temporary table once as
select (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}', idempotency_key => 'a')).id;
select is(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}', idempotency_key => 'a')).id,
  (select id from once), 'the same key and request answer with the same run');
select is(
  pg_temp.code_of($$select public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "y"}}', idempotency_key => 'a')$$),
  'idempotency_key_reused', 'another request with the key is refused');
select isnt(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}', idempotency_key => 'b')).id,
  (select id from once), 'another key is another run');
select is(pg_temp.code_of(pg_temp.poet(', idempotency_key => ''''')), 'idempotency_key_invalid', 'an empty key is refused');
select is(
  pg_temp.code_of($$select public.run_agent('00000000-0000-7000-8000-00000000000a', '{}', idempotency_key => 'c')$$),
  'parameter_missing', 'a refused request');
select is(
  pg_temp.code_of(pg_temp.poet(', idempotency_key => ''c''')), 'done', 'leaves its key unused');
select tests.sign_in(pg_temp.person('owner'));
select isnt(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}', idempotency_key => 'a')).id,
  (select id from once), 'keys of other people are their own');
select tests.sign_out();
update private.idempotency_keys set created_at = now() - interval '25 hours' where key = 'a';
select tests.sign_in(pg_temp.person('member'));
select isnt(
  (public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "x"}}', idempotency_key => 'a')).id,
  (select id from once), 'after a day a key is new');
select tests.sign_out();
update private.idempotency_keys set created_at = now() - interval '25 hours' where key = 'b';
select private.forget_idempotency_keys();
select is_empty($$select from private.idempotency_keys where key = 'b'$$, 'and old ones are forgotten');

-- Repeating and stopping
select tests.sign_in(pg_temp.person('member'));
create temporary table first as
select * from public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "rain"}}');
grant select on first to authenticated;
select is(
  pg_temp.code_of(format('select public.retry_execution(%L)', (select id from first))), 'execution_not_finished',
  'a live run is not repeated');
select is((public.cancel_execution((select id from first))).status, 'cancelled', 'it can be cancelled');
select is((public.cancel_execution((select id from first))).status, 'cancelled', 'cancelling twice changes nothing');
select results_eq(
  'select retry_of_id, agent_version_id, input, status, id <> retry_of_id from public.retry_execution((select id from first))',
  $$select id, agent_version_id, input, 'pending', true from first$$,
  'repeating makes a new run of the same version and input');
select is(
  pg_temp.code_of(format('select public.cancel_execution(%L)', private.uuid_v7())), 'execution_not_found',
  'a run that is not there cannot be cancelled');
select tests.sign_in(pg_temp.person('owner'));
update public.agents set status = 'archived' where id = '00000000-0000-7000-8000-00000000000a';
select is(
  pg_temp.code_of(format('select public.retry_execution(%L)', (select id from first))), 'agent_not_active',
  'nothing of an archived agent is repeated');
update public.agents set status = 'active' where id = '00000000-0000-7000-8000-00000000000a';
select tests.sign_out();

-- Quota
update public.organizations set max_executions_per_month = (
  select 1 + sum(root_runs) from private.execution_totals where organization_id = pg_temp.atelier())
where id = pg_temp.atelier();
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'the last run of the month');
select is(pg_temp.code_of(pg_temp.poet('')), 'execution_quota_exceeded', 'and one too many');
select tests.sign_out();
select lives_ok(
  format($$insert into public.executions (organization_id, user_id, agent_id, agent_version_id, parent_execution_id)
    values (%L, %L, private.uuid_v7(), private.uuid_v7(), private.uuid_v7())$$, pg_temp.atelier(), pg_temp.person('member')),
  'a run that a run started');
select is(
  (select sum(root_runs) from private.execution_totals where organization_id = pg_temp.atelier())::integer,
  (select max_executions_per_month from public.organizations where id = pg_temp.atelier()),
  'does not count');
update public.organizations set max_executions_per_month = 1000 where id = pg_temp.atelier();

-- Budget: each run may cost prompt length / 3 x 1.25 + 1000 tokens x 10, per million.
delete from public.executions;
select tests.sign_in(pg_temp.person('member'));
create temporary table reserved as
select * from public.run_agent('00000000-0000-7000-8000-00000000000a', '{"parameters": {"topic": "rain"}}');
select is(
  reserved_usd,
  trim_scale((ceil((length('Rhyme about {{topic}}.') + length(input::text)) / 3.0) * 1.25 + 1000 * 10) / 1000000),
  'a run reserves what it may cost at most') from reserved;
select tests.sign_out();
update public.organizations set monthly_budget_usd = 0.03 where id = pg_temp.atelier();
select tests.sign_in(pg_temp.person('member'));
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'a run that the budget still covers');
select is(pg_temp.code_of(pg_temp.poet('')), 'budget_exceeded', 'and one that it does not, while the others may still spend it');
select public.cancel_execution(id) from reserved;
select is(pg_temp.code_of(pg_temp.poet('')), 'done', 'what a finished run did not spend is free again');
update public.agents set model = 'openai/unheard-of' where id = '00000000-0000-7000-8000-00000000000b';
select is(pg_temp.code_of(pg_temp.sketch(', draft => true')), 'model_price_unknown', 'under a budget a price has to be known');
update public.agents set model = 'openai-compatible/llama3' where id = '00000000-0000-7000-8000-00000000000b';
select is(pg_temp.code_of(pg_temp.sketch(', draft => true')), 'done', 'except on one''s own server');

select * from finish();
rollback;
