-- Counting again: every context's check is called, and what it finds is named.
begin;
select plan(3);

delete from private.counter_checks;
create function private.check_apples() returns table (counter text, id uuid, stored bigint, counted numeric)
language sql stable set search_path = ''
as $$ select 'apples', '00000000-0000-7000-8000-000000000001'::uuid, 3, 2.5 $$;
create function private.check_pears() returns table (counter text, id uuid, stored integer, counted integer)
language sql stable set search_path = ''
as $$ select 'pears', null::uuid, 1, 1 where false $$;
insert into private.counter_checks (name, check_function)
values ('pears', 'private.check_pears()'), ('apples', 'private.check_apples()');

select results_eq(
  'select * from private.recount()',
  $$values ('apples', '00000000-0000-7000-8000-000000000001'::uuid, 3::numeric, 2.5::numeric)$$,
  'a recount answers with the counters that are wrong, and no others');
select throws_ok(
  $$insert into private.counter_checks (name, check_function) values ('x', 'public.now()')$$, '23514', null,
  'checks are functions of ours');
update private.counter_checks set check_function = 'private.check_pears()' where name = 'apples';
select is_empty('select * from private.recount()', 'when all are right there is no row');

select * from finish();
rollback;
