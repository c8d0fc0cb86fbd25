begin;
select plan(7);

create table private.upkeep_marks (at timestamptz default clock_timestamp());
create function private.mark_upkeep() returns void language sql set search_path = ''
as $$ insert into private.upkeep_marks default values $$;
create function private.break_upkeep() returns void language plpgsql set search_path = ''
as $$ begin raise exception 'broken on purpose'; end $$;
delete from private.upkeep_tasks;
insert into private.upkeep_tasks (name, task, every) values
  ('mark', 'private.mark_upkeep()', interval '1 hour'),
  ('break', 'private.break_upkeep()', interval '1 hour');

select set_eq(
  'select task_name, error from private.run_upkeep()',
  $$values ('mark', null), ('break', 'broken on purpose')$$,
  'due tasks run, and one that fails does not stop the others');
select is((select count(*) from private.upkeep_marks), 1::bigint, 'a task has run once');
select is_empty('select * from private.run_upkeep()', 'a task that is not due does not run');
update private.upkeep_tasks set last_run_at = now() - interval '2 hours' where name = 'mark';
select results_eq(
  'select task_name from private.run_upkeep()', array['mark'], 'a task runs again when its interval is over');
update private.upkeep_tasks set last_run_at = now() + interval '1 year' where name = 'mark';
select results_eq(
  'select task_name from private.run_upkeep()', array['mark'],
  'a last run in the future, left by a clock that was set back, does not stop upkeep');

update private.upkeep_tasks set last_run_at = now() - interval '2 hours', every = interval '1 hour';
update private.upkeep_tasks set last_run_at = now() - interval '3 hours' where name = 'break';
select results_eq(
  'select task_name from private.run_upkeep(1)', array['break'],
  'asked for one task, it runs the one that has waited longest');

create function private.dawdle() returns void language plpgsql set search_path = ''
as $$ begin raise sqlstate '57014' using message = 'took too long'; end $$;
update private.upkeep_tasks set task = 'private.dawdle()', last_run_at = null where name = 'break';
select set_eq(
  'select task_name, error from private.run_upkeep()',
  $$values ('mark', null), ('break', 'took too long')$$,
  'a task that is cancelled does not stop the others');

select * from finish();
rollback;
