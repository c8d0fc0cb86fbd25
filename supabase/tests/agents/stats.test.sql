-- Counts: exact at every moment, folded or not.
begin;
select plan(13);

create temporary table people as select tests.create_user('ada') as ada, tests.create_user('finn') as finn;
grant select on people to public;
insert into public.agents (id, organization_id, created_by_id, name, visibility)
select '00000000-0000-7000-8000-000000000001'::uuid, tests.personal_organization(ada), ada, 'Public', 'public'::public.agent_visibility from people
union all
select '00000000-0000-7000-8000-000000000002', tests.personal_organization(ada), ada, 'Private', 'private' from people;

select tests.sign_in(ada) from people;
select results_eq('select total_uses, rating_count, avg_rating from public.agent_stats',
  $$values (0::bigint, 0::bigint, null::numeric), (0, 0, null)$$, 'counts begin at nothing');
select tests.sign_out();
select private.add_agent_delta('00000000-0000-7000-8000-000000000001', c.counter, c.delta)
from (values ('total_uses', 1), ('total_uses', 1), ('view_count', 1), ('favorite_count', 1), ('favorite_count', -1),
  ('rating_count', 3), ('rating_sum', 14)) as c (counter, delta);
create temporary view counts as
select total_uses, view_count, share_count, install_count, fork_count, favorite_count, rating_count, avg_rating
from public.agent_stats where agent_id = '00000000-0000-7000-8000-000000000001';
select results_eq('select * from counts',
  $$values (2::bigint, 1::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 3::bigint, 4.67)$$,
  'what is counted shows at once');
select is(private.fold_agent_counters(), 7, 'folding takes what was appended');
select results_eq('select * from counts',
  $$values (2::bigint, 1::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 3::bigint, 4.67)$$,
  'and changes no count');
select private.add_agent_delta('00000000-0000-7000-8000-000000000001', 'total_uses', 1);
select is((select total_uses from counts), 3::bigint, 'later counts come on top');
select private.add_agent_delta(gen_random_uuid(), 'total_uses', 1);
select lives_ok('select private.fold_agent_counters()',
  'counts of agents that are gone are dropped');
select tests.sign_in_as_anon();
select results_eq('select agent_id from public.agent_stats',
  $$values ('00000000-0000-7000-8000-000000000001'::uuid)$$,
  'anyone reads the counts of agents that they can read');
select results_eq(
  'select s.total_uses from public.agents as a, public.stats(a) as s', 'values (3::bigint)',
  'and embeds them');
select throws_ok(
  'select private.add_agent_delta(gen_random_uuid(), ''total_uses'', 1)', '42501', null,
  'nobody counts by hand');

select tests.sign_out();

-- Forks count for good.
select tests.sign_in(ada) from people;
select public.publish_agent_version('00000000-0000-7000-8000-000000000001');
select tests.sign_in(finn) from people;
select public.fork_agent('00000000-0000-7000-8000-000000000001', tests.personal_organization(finn)) from people;
select public.fork_agent('00000000-0000-7000-8000-000000000001', tests.personal_organization(finn)) from people;
select tests.sign_out();
select is((select fork_count from private.agent_counts('00000000-0000-7000-8000-000000000001')), 2::bigint,
  'copies in other organizations count');
select is_empty('select * from private.recount() where counter = ''fork_count''', 'as a recount finds them');
delete from public.agents where forked_from_agent_id is not null and slug like '%-2';
select is_empty('select * from private.recount() where counter = ''fork_count''',
  'also when one of them was purged');
select private.add_agent_delta('00000000-0000-7000-8000-000000000001', 'fork_count', -1);
select results_eq(
  'select id, stored, counted from private.recount() where counter = ''fork_count''',
  $$values ('00000000-0000-7000-8000-000000000001'::uuid, 1::numeric, 2::numeric)$$,
  'which names a count that is wrong');

select * from finish();
rollback;
