-- The bucket `avatars`: pictures by their public address, changed by those whom they show.
begin;
select plan(11);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('mary') as member;
grant select on people to public;
create temporary table acme as select tests.create_organization(ada, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(id, member, 'member') from acme, people;

create function pg_temp.upload(folder text) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into storage.objects (bucket_id, name) values (''avatars'', %L)', folder || '/face.png'))
$$;
grant execute on function pg_temp.upload to public;
-- As the Storage API sets it, which alone deletes rows together with their files.
set local storage.allow_delete_query = 'true';

select results_eq(
  $$select public, file_size_limit, allowed_mime_types from storage.buckets where id = 'avatars'$$,
  $$values (true, 2097152::bigint, '{image/png,image/jpeg,image/webp,image/gif}'::text[])$$,
  'pictures of at most 2 MB, public');

select tests.sign_in_as_anon();
select is(pg_temp.upload('anon'), '42501', 'signed out, nobody uploads');
select is((select count(*) from storage.objects), 0::bigint, 'or lists the bucket');
select tests.sign_out();

select tests.sign_in(ada) from people;
select is(pg_temp.upload(ada::text), null, 'people upload their own picture') from people;
select is(pg_temp.upload(id::text), null, 'and, as admins, that of their organization') from acme;
select is(pg_temp.upload(ben::text), '42501', 'not somebody else''s') from people;
select tests.sign_out();
select tests.sign_in(member) from people;
select is(pg_temp.upload(id::text), '42501', 'members do not change their organization''s') from acme;
select is((select count(*) from storage.objects), 0::bigint, 'nor see it listed');
update storage.objects set name = member || '/mine.png' from people;
delete from storage.objects;
select tests.sign_out();
select is((select count(*) from storage.objects where name like '%/face.png'), 2::bigint,
  'nobody moves or deletes somebody else''s');

update public.profiles set is_active = false from people where id = ada;
select set_config('request.jwt.claims', jsonb_build_object('sub', ada, 'role', 'authenticated')::text, true),
  set_config('role', 'authenticated', true)
from people;
select is(pg_temp.upload(ada::text), '42501', 'deactivated people upload nothing') from people;
delete from storage.objects;
select tests.sign_out();
select is((select count(*) from storage.objects), 2::bigint, 'and delete nothing');

select * from finish();
rollback;
