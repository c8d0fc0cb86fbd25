-- Uses of an agent, and what remains of runs when their month goes.
begin;
select plan(5);

select tests.create_user('ada');
insert into public.executions (organization_id, user_id, agent_id, agent_version_id, credited_agent_id)
select tests.personal_organization(p.id), p.id, '00000000-0000-7000-8000-00000000000a', private.uuid_v7(),
  case when n <= 2 then '00000000-0000-7000-8000-00000000000a'::uuid end
from public.profiles as p, generate_series(1, 3) as n where p.username = 'ada';
update public.executions set status = 'running' where status = 'pending';
update public.executions set status = 'failed', error_code = 'internal_error'
where id = (select min(id::text)::uuid from public.executions where credited_agent_id is not null);
update public.executions set status = 'completed' where status = 'running';
select is(
  (select total_uses from private.agent_counts('00000000-0000-7000-8000-00000000000a')), 1::bigint,
  'an agent counts the completed runs that are credited to it, no others');

-- A month that goes.
select private.add_month_partition('public.executions', '2025-03-01');
insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id, credited_agent_id)
select private.uuid_v7_floor('2025-03-05'), tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7(),
  '00000000-0000-7000-8000-00000000000a'
from public.profiles as p where p.username = 'ada';
update public.executions set status = 'running' where id < private.uuid_v7_floor('2025-04-01');
update public.executions set status = 'completed' where id < private.uuid_v7_floor('2025-04-01');
insert into public.execution_approvals (execution_id, tool, status, expires_at)
select e.id, 'mail', 'expired', e.completed_at from public.executions as e where e.id < private.uuid_v7_floor('2025-04-01');
insert into private.partition_clock (last_run_at, drops_held_until) values (now(), now() - interval '1 day')
on conflict (only_row) do update set last_run_at = now(), drops_held_until = excluded.drops_held_until;
select private.maintain_partitions();
select is_empty('select from public.executions where id < private.uuid_v7_floor(''2025-04-01'')', 'runs go with their month, though later events still point at them');
select is_empty('select from public.execution_approvals', 'and their questions with them');
select is(
  (select total_uses from private.agent_counts('00000000-0000-7000-8000-00000000000a')),
  (select count from private.counter_archive where agent_id = '00000000-0000-7000-8000-00000000000a' and counter = 'total_uses')
    + (select count(*) from public.executions where credited_agent_id = '00000000-0000-7000-8000-00000000000a' and status = 'completed'),
  'and a recount is archive plus living rows');
select private.add_month_partition('public.executions', '2027-09-01');
insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id)
select private.uuid_v7_floor('2028-09-05'), tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7()
from public.profiles as p where p.username = 'ada';
select private.add_month_partition('public.executions', '2028-09-01');
select results_eq(
  'select tableoid::regclass::text, target_type from public.executions where id >= private.uuid_v7_floor(''2028-09-01'')',
  $$values ('private.executions_2028_09'::text, 'agent'::text)$$,
  'a run from the default partition moves into its month whole');

select * from finish();
rollback;
