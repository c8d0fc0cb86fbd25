-- The bucket `attachments`: files go into one's own conversations, and messages carry those alone.
begin;
select plan(21);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('other') as other, null::uuid as org, null::uuid as agent,
  null::uuid as conversation, null::uuid as others;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member'), tests.add_member(org, other, 'member') from ids;
insert into public.agents (organization_id, created_by_id, name, visibility)
select org, owner, 'Helper', 'organization' from ids;
update ids set agent = (select id from public.agents where name = 'Helper');
select tests.sign_in(owner) from ids;
select public.publish_agent_version(agent) from ids;
select tests.sign_in(other) from ids;
insert into public.conversations (agent_id) select agent from ids;
update ids set others = (select id from public.conversations);
select tests.sign_in(member) from ids;
insert into public.conversations (agent_id) select agent from ids;
update ids set conversation = (select id from public.conversations);
select tests.sign_out();

-- As the Storage API inserts it.
create function pg_temp.upload(path text) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into storage.objects (bucket_id, name, owner_id, metadata) values (''attachments'', %L, auth.uid()::text, %L)',
    path, '{"mimetype": "text/plain", "size": 7}'))
$$;
create function pg_temp.send(attachments text, content text default 'See this.') returns text
language sql
as $$
  select tests.code_of(format(
    'select public.send_message(%L, %L, %L)', ids.conversation, send.content, send.attachments))
  from ids
$$;
grant execute on all functions in schema pg_temp to public;
set local storage.allow_delete_query = 'true';

select is((select array[public::text, file_size_limit::text] from storage.buckets where id = 'attachments'),
  '{false,20971520}', 'the bucket is private, a file has at most 20 MB');
select ok(
  (select allowed_mime_types @> '{text/plain,image/png,application/pdf}' and not allowed_mime_types && '{text/html,image/svg+xml}'
   from storage.buckets where id = 'attachments'), 'of types that no browser runs');

select tests.sign_in(member) from ids;
select is(pg_temp.upload(org || '/' || conversation || '/a.txt'), null, 'a file goes into one''s own conversation') from ids;
select is(pg_temp.upload(org || '/' || others || '/b.txt'), '42501', 'not into somebody else''s') from ids;
select is(pg_temp.upload(tests.personal_organization(member) || '/' || conversation || '/b.txt'), '42501',
  'not under another organization') from ids;
select is(pg_temp.upload(org || '/notes/b.txt'), '42501', 'not beside the conversations') from ids;
select is(pg_temp.upload(org || '/' || conversation), '42501', 'not without a name') from ids;
update storage.objects set name = 'elsewhere';
select is((select count(*) from ids, storage.objects where name = org || '/' || conversation || '/a.txt'), 1::bigint,
  'and stays as it is');
select is(pg_temp.send(format('[{"path": "%s/%s/a.txt", "size_bytes": 1}]', org, conversation)), null,
  'a message carries it') from ids;
select is(
  (select attachments from public.messages),
  (select jsonb_build_array(jsonb_build_object('path', org || '/' || conversation || '/a.txt', 'name', 'a.txt',
    'type', 'text/plain', 'size_bytes', 7)) from ids),
  'with what Storage knows of it, not what the sender says');
select is(pg_temp.send(format('[{"path": "%s/%s/a.txt"}]', org, conversation), ''), null,
  'a file alone is a message') from ids;
select is(pg_temp.send(format('[{"path": "%s/%s/none.txt"}]', org, conversation)), 'attachment_invalid',
  'a file that is not there is refused') from ids;
select is(pg_temp.send('{"path": "x"}'), 'attachment_invalid', 'so is what is no list');
select is(pg_temp.send('["x"]'), 'attachment_invalid', 'or holds no paths');
select is(
  pg_temp.send((select jsonb_agg(jsonb_build_object('path', org || '/' || conversation || '/a.txt'))::text
    from ids, generate_series(1, 11))), 'attachment_invalid', 'and more than ten');
select tests.sign_out();
insert into storage.objects (bucket_id, name) select 'attachments', org || '/' || others || '/theirs.txt' from ids;
select tests.sign_in(member) from ids;
select is(pg_temp.send(format('[{"path": "%s/%s/theirs.txt"}]', org, others)), 'attachment_invalid',
  'a file of another conversation is not attached') from ids;

select tests.sign_in(owner) from ids;
select is((select count(*) from storage.objects), 0::bigint, 'an owner of the organization reads no file');
delete from storage.objects;
select tests.sign_in_as_anon();
select is((select count(*) from storage.objects), 0::bigint, 'nor does anybody signed out');
select tests.sign_in(member) from ids;
select is((select count(*) from storage.objects), 1::bigint, 'whoever uploaded a file reads it');
delete from public.conversations;
delete from storage.objects;
select tests.sign_out();
select is((select count(*) from storage.objects where bucket_id = 'attachments'), 1::bigint,
  'and removes it, also when the conversation is gone');
update public.profiles set is_active = false where id = (select other from ids);
select set_config('request.jwt.claims', jsonb_build_object('sub', other, 'role', 'authenticated')::text, true),
  set_config('role', 'authenticated', true)
from ids;
select is(pg_temp.upload(org || '/' || others || '/c.txt'), '42501', 'deactivated people upload nothing') from ids;

select * from finish();
rollback;
