-- What must hold for every table and function, whoever adds it: read from the catalogue, so that
-- forgetting is impossible. Each assertion names the offenders.
begin;
select plan(15);

create temporary view ours as
select p.oid, n.nspname, p.proname, p.prosecdef, p.proconfig, p.proacl, p.prolang, p.prorettype,
  format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as signature
from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('public', 'private');

select is_empty(
  $$select c.relname from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity$$,
  'every public table has row level security');
select is_empty(
  $$select c.relname from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not exists (select from pg_policy as p where p.polrelid = c.oid)$$,
  'every public table has a policy');
select is_empty(
  $$select c.relname from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
      and not coalesce('security_invoker=true' = any(c.reloptions), false)$$,
  'every public view runs as its caller');
select is_empty(
  $$select signature from ours where proconfig is null or not exists (
      select from unnest(proconfig) as setting where setting in ('search_path=""', 'search_path='))$$,
  'every function sets an empty search_path');
select is_empty(
  $$select signature from ours where nspname = 'public' and prosecdef$$,
  'no function in the API runs as its definer');
select is_empty(
  $$select signature from ours where exists (
      select from aclexplode(coalesce(proacl, acldefault('f', 10))) as a
      where a.grantee = 0 and a.privilege_type = 'EXECUTE')$$,
  'no function may be executed by everyone');
select is_empty(
  $$select table_schema || '.' || table_name from information_schema.role_table_grants
    where table_schema = 'private' and grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC')
    union all
    select table_schema || '.' || table_name || '.' || column_name
    from information_schema.role_column_grants
    where table_schema = 'private' and grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC')$$,
  'no private table is granted to a role of the API');
select is_empty(
  $$select c.relname from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
      and obj_description(c.oid, 'pg_class') is null$$,
  'every public table and view is described');
select is_empty(
  $$select signature from ours
    where nspname = 'public' and obj_description(oid, 'pg_proc') is null$$,
  'every function of the API is described');
-- The first column of the index decides; the tenant's alone would find the tenant's every row. A partial
-- index serves when it leaves out only the rows without a reference.
select is_empty(
  $$select con.conrelid::regclass || ' ' || con.conname from pg_constraint as con
    where con.contype = 'f' and con.connamespace in ('public'::regnamespace, 'private'::regnamespace)
      and con.conparentid = 0
      and not exists (
        select from pg_index as i
          join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = con.conrelid
          and i.indkey[0] = any (con.conkey)
          and (a.attname <> 'organization_id' or cardinality(con.conkey) = 1)
          and coalesce(pg_get_expr(i.indpred, i.indrelid) like '%IS NOT NULL%', true))$$,
  'every foreign key has an index to find its rows by');
select is_empty(
  $$select tablename || ' ' || policyname from pg_policies
    where schemaname = 'public'
      and (coalesce(qual, '') || coalesce(with_check, '')) ~ 'auth\.(uid|jwt|role)\(\)'
      and (coalesce(qual, '') || coalesce(with_check, '')) !~ 'SELECT auth\.(uid|jwt|role)\(\)'$$,
  'policies ask once who is calling, not once a row');
select is_empty(
  $$select tablename || ' ' || policyname from pg_policies
    where schemaname = 'public' and (cmd = 'ALL' or 'public' = any(roles))$$,
  'every policy names its command and its role');
select is_empty(
  $$select tablename || ' ' || cmd || ' ' || array_to_string(roles, ',') from pg_policies
    where schemaname = 'public' and permissive = 'PERMISSIVE'
    group by tablename, cmd, roles having count(*) > 1$$,
  'a table has one permissive policy for each role and command');
select is_empty(
  $$select t.tgrelid::regclass || ' ' || t.tgname from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where not t.tgisinternal and t.tgparentid = 0
      and p.pronamespace = 'private'::regnamespace and p.proname !~ '^tg_'$$,
  'trigger functions are named as such');

select is_empty(
  $$select name from private.upkeep_tasks where to_regprocedure(task) is null$$,
  'every upkeep task calls a function that exists');

select * from finish();
rollback;
