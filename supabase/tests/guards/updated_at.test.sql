-- updated_at tells the truth: a trigger keeps it, and no caller may set it.
begin;
select plan(2);

select is_empty(
  $$select c.relname from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attname = 'updated_at'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not exists (
        select from pg_trigger as t
        where t.tgrelid = c.oid and t.tgenabled = 'O'
          and t.tgfoid = 'private.tg_set_updated_at()'::regprocedure)$$,
  'every updated_at is kept by its trigger');
select is_empty(
  $$select table_name || ' ' || privilege_type || ' ' || grantee
    from information_schema.column_privileges
    where table_schema = 'public' and column_name in ('created_at', 'updated_at', 'deleted_at')
      and privilege_type in ('INSERT', 'UPDATE') and grantee in ('anon', 'authenticated', 'PUBLIC')$$,
  'nobody sets when a row was made, changed or deleted');

select * from finish();
rollback;
