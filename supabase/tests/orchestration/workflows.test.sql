begin;
select plan(31);

create function tests.graph(nodes text, edges text, rest jsonb default '{}') returns jsonb language sql as $$
  select rest || jsonb_build_object(
    'nodes', (select jsonb_agg(jsonb_build_object('id', n, 'type', 'runnable', 'data', '{}'::jsonb))
              from unnest(string_to_array('__start__ ' || nodes || ' __end__', ' ')) as n where n <> ''),
    'edges', (select coalesce(jsonb_agg(
                jsonb_build_object('source', split_part(e, '>', 1), 'target', split_part(rtrim(e, '?'), '>', 2))
                || case when e like '%?' then '{"conditional": true}'::jsonb else '{}' end), '[]')
              from unnest(string_to_array(edges, ' ')) as e))
$$;
grant usage on schema tests to public;
grant execute on function tests.graph(text, text, jsonb) to public;

select is(private.workflow_problem(tests.graph('a', '__start__>a a>__end__')), null, 'a line is sound');
select is(
  private.workflow_problem(tests.graph('a b', '__start__>a a>b? a>__end__? b>a')), null,
  'a loop with a condition on its way is sound');
select is(
  private.workflow_problem(tests.graph('a b', '__start__>a a>b b>a b>__end__')),
  'The loop through "a", "b" has no way out: make an edge of it conditional, or set "recursion_limit".',
  'a loop without a condition is named');
select is(
  private.workflow_problem(tests.graph('a b', '__start__>a a>b b>a b>__end__', '{"recursion_limit": 10}')), null,
  'a limit of rounds makes it sound');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a a>__end__', '{"recursion_limit": 0}')),
  'The "recursion_limit" is a whole number from 1 to 1000.', 'a limit of no rounds is refused');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a a>__end__', '{"recursion_limit": 2.5}')),
  'The "recursion_limit" is a whole number from 1 to 1000.', 'as is half a round');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a a>b')),
  'Edge 2 (a → b) leads to a node that does not exist.', 'a missing target is named with its edge');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a b>__end__')),
  'Edge 2 (b → __end__) starts at a node that does not exist.', 'a missing source too');
select is(
  private.workflow_problem(tests.graph('a b', '__start__>a a>__end__ b>__end__')),
  'No path leads from the start to node "b".', 'an unreachable node is named');
select is(
  private.workflow_problem(tests.graph('a b', '__start__>a a>b? a>__end__?')),
  'Node "b" never comes to the end.', 'a dead end is named');
select is(
  private.workflow_problem('{"nodes": [{"id": "__end__", "type": "x"}], "edges": []}'),
  'There is no node "__start__".', 'a graph needs a start');
select is(
  private.workflow_problem('{"nodes": [{"id": "a"}], "edges": []}'),
  'Node 1 needs an "id" and a "type", both texts.', 'a node without a type is named by its place');
select is(
  private.workflow_problem(tests.graph('a a', '__start__>a a>__end__')),
  'Two nodes have the id "a".', 'ids are unique');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a a>__end__ __end__>a')),
  'Edge 3 (__end__ → a) leaves the end.', 'nothing follows the end');
select is(
  private.workflow_problem(tests.graph('a', '__start__>a a>__start__? a>__end__?')),
  'Edge 2 (a → __start__) leads back to the start.', 'nothing leads back to the start');
select is(
  private.workflow_problem('[]'), 'A definition is {"nodes": [...], "edges": [...]}.', 'an array is no definition');

create temporary table ids as
select tests.create_user('member') as member, tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as flow;
grant all on ids to public;
update ids set org = (select organization_id from public.organization_members where user_id = member limit 1);

select tests.sign_in(member) from ids;
select lives_ok(
  $$insert into public.workflows (organization_id, name, definition)
    select org, 'Digest', tests.graph('a', '__start__>a a>__end__') from ids$$, 'a member saves a workflow');
update ids set flow = (select id from public.workflows);
select throws_ok(
  $$update public.workflows set definition = tests.graph('a', '__start__>a')$$,
  'PT400', 'No path leads from the start to node "__end__".', 'a broken edit is refused with its place');
update public.workflows set name = 'Daily digest';
select is((select version from public.workflows), 1, 'another name is no other version');
update public.workflows set definition = tests.graph('a b', '__start__>a a>b b>__end__');
select is((select version from public.workflows), 2, 'another definition is the next version');
select is(
  (select array_agg(version order by version) from public.workflow_versions), '{1,2}', 'every version is kept');
select throws_ok(
  $$update public.workflows set definition = jsonb_set(definition, '{nodes,1,data}',
      jsonb_build_object('agent_id', '00000000-0000-7000-8000-000000000000'))$$,
  'PT400', 'Node "a" names an agent that is not there.', 'a node cannot name an agent that the writer cannot see');

-- Nested in each other: Outer in Middle in Inner
create function pg_temp.nest(name text, nested text) returns text
language sql
as $$
  select tests.code_of(format(
    'update public.workflows as w
    set definition = jsonb_set(w.definition, ''{nodes,1,data}'', jsonb_build_object(''workflow_id'', n.id))
    from nested as n where w.name = %L and n.name = %L', name, nested))
$$;
grant execute on function pg_temp.nest to public;
insert into public.workflows (organization_id, name, definition)
select org, n, tests.graph('a', '__start__>a a>__end__') from ids, unnest('{Outer,Middle,Inner}'::text[]) as n;
create temporary table nested as select id, name from public.workflows where name <> 'Daily digest';
grant select on nested to public;
select is(pg_temp.nest('Outer', 'Outer'), 'workflow_invalid', 'a workflow is no part of itself');
select is(pg_temp.nest('Outer', 'Middle'), null, 'it may nest another');
select is(pg_temp.nest('Middle', 'Inner'), null, 'which nests a third');
select is(pg_temp.nest('Inner', 'Outer'), 'workflow_invalid', 'but that not the first');
select public.delete_workflow(id) from nested where name = 'Middle';
select is(pg_temp.nest('Inner', 'Outer'), 'workflow_invalid', 'even while the one between is deleted and can be restored');
select is(pg_temp.nest('Outer', 'Inner'), null, 'elsewhere it may stand');

select tests.sign_in(stranger) from ids;
select is_empty('select from public.workflow_versions', 'a stranger sees no version');
select throws_ok($$select public.delete_workflow(flow) from ids$$, 'PT404', null, 'nor anything to delete');

select tests.sign_out();
select throws_ok(
  'update public.workflow_versions set version = 3', 'PT409', null, 'a version never changes, whoever asks');

select * from finish();
rollback;
