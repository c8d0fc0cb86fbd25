-- What the API's roles may do at all, before any policy is asked: exactly this.
begin;
select plan(2);

create temporary view granted as
select g.grantee::text, g.table_name::text collate "default", lower(g.privilege_type) collate "default" as privilege,
  string_agg(g.column_name::text collate "default", ' ' order by c.ordinal_position)
    filter (where g.privilege_type = 'UPDATE') as columns
from information_schema.column_privileges as g
  join information_schema.columns as c using (table_schema, table_name, column_name)
where g.table_schema = 'public' and g.privilege_type in ('INSERT', 'UPDATE', 'SELECT')
group by g.grantee, g.table_name, g.privilege_type
union all
select grantee, table_name, 'delete', null
from information_schema.table_privileges
where table_schema = 'public' and privilege_type = 'DELETE';

select results_eq(
  $$select table_name, privilege, columns from granted
    where grantee = 'authenticated'
      and table_name in ('profiles', 'organizations', 'organization_members',
        'organization_invitations', 'api_keys', 'notifications')
    order by table_name collate "C", privilege collate "C"$$,
  $$values
    ('api_keys', 'select', null),
    ('notifications', 'delete', null),
    ('notifications', 'select', null),
    ('notifications', 'update', 'read_at'),
    ('organization_invitations', 'select', null),
    ('organization_members', 'delete', null),
    ('organization_members', 'select', null),
    ('organization_members', 'update', 'role'),
    ('organizations', 'select', null),
    ('organizations', 'update', 'name slug logo_url settings monthly_budget_usd'),
    ('profiles', 'select', null),
    ('profiles', 'update', 'username full_name avatar_url bio company')$$,
  'signed in, these commands and columns');
select results_eq(
  $$select table_name, privilege from granted
    where grantee = 'anon'
      and table_name in ('profiles', 'organizations', 'organization_members',
        'organization_invitations', 'api_keys', 'notifications')$$,
  $$values ('profiles', 'select')$$,
  'signed out, faces are read and nothing else');

select * from finish();
rollback;
