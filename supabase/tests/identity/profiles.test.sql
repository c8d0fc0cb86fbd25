-- Profiles: a face that anyone reads and only its owner edits.
begin;
select plan(16);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('root') as root;
grant select on people to public;
update public.profiles set is_superuser = true from people where id = root;

select tests.sign_in_as_anon();
select is((select count(*) from public.profiles, people where id in (ada, ben)), 2::bigint,
  'anyone reads profiles, signed out too');
select is(tests.code_of('update public.profiles set bio = ''x'''), '42501', 'signed out, nobody edits one');
select is(tests.code_of('delete from public.profiles'), '42501', 'signed out, nobody deletes one');

select tests.sign_in(ada) from people;
select lives_ok(
  $$update public.profiles set username = 'ada-l', full_name = 'Ada L.', bio = 'Counts',
      company = 'Analytical', avatar_url = 'https://example.com/a.png'
    from people where id = ada$$,
  'people edit their own face');
select is((select full_name from public.profiles, people where id = ada), 'Ada L.', 'and it is kept');
update public.profiles set full_name = 'Not me' from people where id = ben;
select is(tests.code_of('update public.profiles set is_superuser = true'), '42501',
  'nobody makes themselves a superuser');
select is(tests.code_of('update public.profiles set is_active = true'), '42501',
  'nobody activates an account themselves');
select is(tests.code_of('insert into public.profiles (id, username) values (gen_random_uuid(), ''x'')'),
  '42501', 'nobody inserts a profile');
select is(tests.code_of('delete from public.profiles'), '42501', 'nobody deletes a profile');
select is(tests.code_of($$update public.profiles set username = 'ben' where username = 'ada-l'$$), '23505',
  'a username belongs to one person');
select is(tests.code_of($$update public.profiles set username = 'Ada' where username = 'ada-l'$$), '23514',
  'usernames are lowercase');
select tests.sign_out();
select is((select full_name from public.profiles, people where id = ben), null,
  'people cannot edit somebody else''s face');

select tests.sign_in(root) from people;
select ok(private.is_superuser(), 'an operator can make somebody a superuser');
select tests.sign_out();
select tests.sign_in_with_key(root, tests.personal_organization(root), 'catalog:read') from people;
select ok(not private.is_superuser(), 'but not their API keys');
update public.profiles set bio = 'By a bot';
select tests.sign_out();
select tests.sign_in_with_key(root, tests.personal_organization(root), 'agents:read') from people;
select is((select count(*) from public.profiles), 0::bigint,
  'an API key reads profiles with catalog:read only');

select tests.sign_out();
select is((select count(*) from public.profiles where bio = 'By a bot'), 0::bigint,
  'no API key edits a face');

select * from finish();
rollback;
