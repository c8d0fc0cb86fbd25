-- Notifications: one's own, to read, mark and delete.
begin;
select plan(13);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben;
grant select on people to public;
select private.notify_user(ada, 'test.first', '{"n": 1}'), private.notify_user(ada, 'test.second'),
  private.notify_user(ben, 'test.first')
from people;

select tests.sign_in_as_anon();
select is(tests.code_of('select * from public.notifications'), '42501', 'signed out, there are none');
select tests.sign_out();
select tests.sign_in_with_key(ada, tests.personal_organization(ada), 'organization:read') from people;
select is((select count(*) from public.notifications), 0::bigint, 'API keys see none');
-- Without a filter, which would ask the policies of reading as well.
update public.notifications set read_at = now();
delete from public.notifications;
select tests.sign_out();

select tests.sign_in(ada) from people;
select is((select count(*) from public.notifications), 2::bigint, 'people see their own');
select is((select payload ->> 'n' from public.notifications where kind = 'test.first'), '1',
  'with what they need to know');
select is((select count(*) from public.notifications where read_at is null), 2::bigint,
  'API keys neither mark nor delete them');
update public.notifications set read_at = now();
select is((select count(*) from public.notifications where read_at is null), 0::bigint,
  'they mark them as read');
select is(tests.code_of('update public.notifications set payload = ''{}'''), '42501',
  'but do not change what they say');
select is(tests.code_of(format(
    $$insert into public.notifications (user_id, kind) values (%L, 'test.forged')$$, ben)), '42501',
  'nobody writes a notice') from people;
select is(tests.code_of(format($$select private.notify_user(%L, 'test.forged')$$, ben)), '42501',
  'by no way') from people;
delete from public.notifications;
select is((select count(*) from public.notifications), 0::bigint, 'people delete their own');
select tests.sign_out();
select results_eq(
  'select kind, read_at from public.notifications, people where user_id = ben',
  $$values ('test.first', null::timestamptz)$$, 'nobody marks or deletes somebody else''s');
select throws_ok($$select private.notify_user(ada, 'Not a kind') from people$$, '23514', null,
  'a kind is snake_case');
select throws_ok($$select private.notify_user(ada, 'test.list', '[]') from people$$, '23514', null,
  'a payload is an object');

select * from finish();
rollback;
