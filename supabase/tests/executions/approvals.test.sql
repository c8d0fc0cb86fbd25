-- Questions to people: asked by a worker, decided once, by whoever may read the run.
begin;
select plan(25);

select tests.create_user(username) from unnest(array['ada', 'ben']) as username;
create function pg_temp.person(username text) returns uuid
language sql stable security definer
as $$
  select id from public.profiles as p where p.username = person.username
$$;
-- A run that waits for an answer.
create function pg_temp.ask() returns uuid
language plpgsql
as $$
declare
  v_claim record;
begin
  insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
  values (tests.personal_organization(pg_temp.person('ada')), pg_temp.person('ada'), private.uuid_v7(), private.uuid_v7());
  select * into v_claim from private.claim_execution('w');
  return private.request_approvals(
    v_claim.execution_id, v_claim.fencing_token, '[{"tool": "send_mail", "arguments": {"to": "x@example.com"}}]', 3600);
end
$$;
create function pg_temp.state(approval uuid) returns text
language sql stable security definer
as $$
  select a.status || ', ' || e.status from public.execution_approvals as a join public.executions as e on e.id = a.execution_id
  where a.id = approval
$$;
create function pg_temp.code_of(statement text) returns text
language plpgsql
as $$
declare
  v_code text;
begin
  execute statement;
  return 'done';
exception when others then
  get stacked diagnostics v_code = pg_exception_detail;
  return v_code;
end
$$;
grant execute on function pg_temp.person(text), pg_temp.state(uuid), pg_temp.code_of(text) to authenticated;

create temporary table asked as select pg_temp.ask() as id;
grant select on asked to authenticated;
select is(pg_temp.state((select id from asked)), 'pending, waiting', 'a run waits while it asks');
select is_empty('select from private.execution_queue', 'without a worker');
select is_empty($$select from private.claim_execution('w')$$, 'and is not to be claimed');

select tests.sign_in(pg_temp.person('ben'));
select is(pg_temp.code_of(format('select public.decide_approval(%L, true)', id)), 'approval_not_found', 'a stranger cannot answer') from asked;
select is(pg_temp.code_of(format('select public.decide_approval(%L, true)', private.uuid_v7())), 'approval_not_found', 'nor what was never asked');
select tests.sign_in_with_key(
  pg_temp.person('ada'), tests.personal_organization(pg_temp.person('ada')), 'executions:read');
select is(pg_temp.code_of(format('select public.decide_approval(%L, true)', id)), 'scope_missing', 'nor a key that may only read') from asked;
select tests.sign_in_with_key(
  pg_temp.person('ada'), tests.personal_organization(pg_temp.person('ada')), 'executions:write');
select is(pg_temp.code_of(format('select public.decide_approval(%L, true)', id)), 'scope_missing', 'nor one that may not read') from asked;
select tests.sign_out();
select is(pg_temp.state((select id from asked)), 'pending, waiting', 'and it still waits');

select tests.sign_in(pg_temp.person('ada'));
select results_eq(
  'select status, arguments, edited_arguments, note, decided_by_id from public.decide_approval(
    (select id from asked), true, ''{"to": "y@example.com"}'', ''to the other one'')',
  $$values ('approved'::text, '{"to": "x@example.com"}'::jsonb, '{"to": "y@example.com"}'::jsonb, 'to the other one'::text, pg_temp.person('ada'))$$,
  'its runner approves, with other arguments');
select is(pg_temp.state((select id from asked)), 'approved, pending', 'and the run goes on');
select is(pg_temp.code_of(format('select public.decide_approval(%L, false)', id)), 'approval_closed', 'what is decided stays decided') from asked;
select tests.sign_out();
select results_eq(
  $$select execution_id, attempt from private.claim_execution('w')$$,
  'select execution_id, 1 from public.execution_approvals where id = (select id from asked)',
  'a worker gets the run back in the same attempt');
delete from public.executions;

create temporary table refused as select pg_temp.ask() as id;
grant select on refused to authenticated;
select tests.sign_in(pg_temp.person('ada'));
select results_eq(
  'select status, edited_arguments from public.decide_approval((select id from refused), false, ''{"to": "y"}'')',
  $$values ('rejected'::text, null::jsonb)$$, 'who rejects changes no arguments');
select tests.sign_out();
select is(pg_temp.state((select id from refused)), 'rejected, pending', 'the run goes on and finds the answer');

-- Two questions at once
insert into public.executions (organization_id, user_id, agent_id, agent_version_id)
values (tests.personal_organization(pg_temp.person('ada')), pg_temp.person('ada'), private.uuid_v7(), private.uuid_v7());
update private.execution_queue set available_at = '2000-01-01'
where execution_id = (select id from public.executions order by id desc limit 1);
create temporary table two as
select a.id, row_number() over () as n
from private.claim_execution('w') as c,
  private.request_approvals(c.execution_id, c.fencing_token, '[{"tool": "read"}, {"tool": "write"}]') as a (id);
grant select on two to authenticated;
select tests.sign_in(pg_temp.person('ada'));
select public.decide_approval((select id from two where n = 1), true);
select is(pg_temp.state((select id from two where n = 1)), 'approved, waiting', 'a run that asked twice waits for both answers');
select public.decide_approval((select id from two where n = 2), false);
select is(pg_temp.state((select id from two where n = 2)), 'rejected, pending', 'and goes on with the last');
select tests.sign_out();

create temporary table late as select pg_temp.ask() as id;
grant select on late to authenticated;
update public.execution_approvals set expires_at = now() - interval '1 second' where id = (select id from late);
select tests.sign_in(pg_temp.person('ada'));
select is(pg_temp.code_of(format('select public.decide_approval(%L, true)', id)), 'approval_closed', 'too late is too late') from late;
select tests.sign_out();
select is(private.expire_approvals(), 1, 'a question that nobody answered expires');
select is(pg_temp.state((select id from late)), 'expired, failed', 'and its run fails');
select is(
  (select e.error_code from public.executions as e join public.execution_approvals as a on a.execution_id = e.id
   where a.id = (select id from late)),
  'approval_expired', 'with a code of its own');
select is(private.expire_approvals(), 0, 'once');

create temporary table dropped as select pg_temp.ask() as id;
grant select on dropped to authenticated;
select tests.sign_in(pg_temp.person('ada'));
select is(
  (public.cancel_execution((select execution_id from public.execution_approvals where id = (select id from dropped)))).status,
  'cancelled', 'a run that waits can be cancelled');
select tests.sign_out();
select is(pg_temp.state((select id from dropped)), 'cancelled, cancelled', 'and leaves no question open');
select throws_ok(
  format('update public.execution_approvals set status = %L where id = %L', 'approved', (select id from dropped)),
  '23514', null, 'a decision names its maker');
select throws_ok(
  format('update public.execution_approvals set status = %L where id = %L', 'perhaps', (select id from dropped)),
  '23514', null, 'there is no other answer');

select * from finish();
rollback;
