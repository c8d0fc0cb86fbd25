-- Reviews: by whom, of what, how they count, and who answers or hides them.
begin;
select plan(41);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ines') as ines, tests.create_user('rob') as rob,
  tests.create_user('mo') as mo;
grant select on people to public;
update public.profiles set is_superuser = true from people where id = mo;
create temporary table homes as
select tests.personal_organization(ines) as ines, tests.personal_organization(rob) as rob from people;
grant select on homes to public;
create temporary table shop as select tests.create_organization(ada, 'Maker') as maker from people;
grant select on shop to public;
insert into public.webhooks (organization_id, url, events)
select maker, 'https://example.com/hook', '{listing.approved,listing.installed,review.created}' from shop;
select tests.create_listing(ada, maker, 'Writer') from people, shop;
create temporary table offer as select l.id, l.agent_id from public.marketplace_listings as l;
grant select on offer to public;
insert into public.agents (id, organization_id, created_by_id, name)
select '00000000-0000-7000-8000-00000000000b', maker, ada, 'Diary' from people, shop;

create temporary view counts as
select c.rating_count, c.rating_sum, c.verified_rating_count from offer, private.agent_counts(agent_id) as c;
create function pg_temp.rate(stars integer) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into public.agent_reviews (agent_id, rating) select agent_id, %s from offer', stars))
$$;
grant execute on function pg_temp.rate to public;

select tests.sign_in_as_anon();
select is(pg_temp.rate(5), '42501', 'signed out, nobody reviews');
select tests.sign_in(ada) from people;
select is(pg_temp.rate(5), 'own_agent', 'nobody reviews their own organization''s agent');
select tests.sign_in(ines) from people;
select is(tests.code_of('insert into public.agent_reviews (agent_id, rating) values (''00000000-0000-7000-8000-00000000000b'', 1)'),
  'agent_not_found', 'or one that they cannot see');
select is(pg_temp.rate(6), '23514', 'a rating is one to five');
select is(pg_temp.rate(4), null, 'others do');
select is(pg_temp.rate(5), '23505', 'once');
select results_eq('select organization_id, is_verified_install from public.agent_reviews',
  $$select ines, false from homes$$, 'for their organization, unverified');
select is(tests.code_of('insert into public.agent_reviews (agent_id, rating, is_verified_install) select agent_id, 5, true from offer'),
  '42501', 'nobody verifies themselves');
select tests.sign_in(rob) from people;
select is(
  tests.code_of('insert into public.agent_reviews (agent_id, organization_id, rating) select agent_id, ines, 5 from offer, homes'),
  '42501', 'or speaks for an organization that is not theirs');
select public.install_listing(id, rob) from offer, homes;
select is(pg_temp.rate(1), null, 'who installed it reviews');
select is((select is_verified_install from public.agent_reviews, people where user_id = rob), true, 'with the mark');
select tests.sign_out();
select results_eq('table counts', 'values (2::bigint, 5::bigint, 1::bigint)', 'all of it counts');
select tests.sign_in(ines) from people;
select public.install_listing(id, ines) from offer, homes;
select is((select is_verified_install from public.agent_reviews, people where user_id = ines), true,
  'installing later verifies too');
update public.agent_reviews set rating = 5, body = 'Better now.';
select tests.sign_out();
select results_eq('table counts', 'values (2::bigint, 6::bigint, 2::bigint)', 'changes count, of one''s own only');
select is((select count(*) from public.agent_reviews where body <> ''), 1::bigint, 'others'' words stay');

-- Hiding ----------------------------------------------------------------------------------------------
select tests.sign_in(rob) from people;
select is(tests.code_of('update public.agent_reviews set is_hidden = true'), 'moderators_only', 'moderators hide, nobody else');
select tests.sign_in(ines) from people;
insert into public.review_reports (review_id, reason) select r.id, 'Rude.' from public.agent_reviews as r, people where user_id = rob;
select is(tests.code_of('insert into public.review_reports (review_id, reason) select r.id, ''Rude.'' from public.agent_reviews as r, people where user_id = rob'),
  '23505', 'a report is made once');
update public.review_reports set status = 'upheld';
select is((select status from public.review_reports), 'open', 'and decided by moderators');
select tests.sign_in(rob) from people;
select is((select count(*) from public.review_reports), 0::bigint, 'who is reported does not see by whom');
select tests.sign_in(mo) from people;
select is(tests.code_of('update public.agent_reviews set body = ''Lovely.'''), 'not_allowed', 'moderators change no words');
update public.review_reports set status = 'upheld';
select results_eq('select status, decided_by_id = mo, decided_at is not null from public.review_reports, people',
  $$values ('upheld', true, true)$$, 'an upheld report is dated and signed');
select tests.sign_in_as_anon();
select results_eq('select rating from public.agent_reviews', 'values (5::smallint)', 'its review is hidden');
select tests.sign_out();
select results_eq('table counts', 'values (1::bigint, 5::bigint, 1::bigint)', 'and does not count');
select tests.sign_in(rob) from people;
select is((select count(*) from public.agent_reviews), 2::bigint, 'its author still sees it');
select is((select count(*) from public.notifications where kind = 'review.hidden'), 1::bigint, 'and was told');
delete from public.agent_reviews;
select is((select count(*) from public.agent_reviews, people where user_id = rob), 1::bigint,
  'who would write it anew cannot delete it');
update public.agent_reviews set rating = 2 from people where user_id = rob;
select tests.sign_out();
select results_eq('table counts', 'values (1::bigint, 5::bigint, 1::bigint)', 'what is hidden changes without counting');
update public.agent_reviews set is_hidden = false;
select results_eq('table counts', 'values (2::bigint, 7::bigint, 2::bigint)', 'shown again, it counts as it is now');

-- Replies ---------------------------------------------------------------------------------------------
select tests.sign_in(rob) from people;
select is(tests.code_of('select public.reply_to_review(r.id, ''Hm.'') from public.agent_reviews as r'), 'not_allowed',
  'the publisher replies, nobody else');
select tests.sign_in(ada) from people;
select is(tests.code_of('select public.reply_to_review(gen_random_uuid(), ''Hm.'')'), 'review_not_found', 'to what is there');
select results_eq(
  $$select r.author_reply, r.author_replied_at is not null
    from people, public.agent_reviews as w, public.reply_to_review(w.id, ' Thanks. ') as r where w.user_id = rob$$,
  $$values ('Thanks.', true)$$, 'with a date');
select is((select count(*) from public.notifications where kind = 'review.created'), 2::bigint, 'reviews are told of');
select results_eq(
  $$select r.author_reply, r.author_replied_at
    from people, public.agent_reviews as w, public.reply_to_review(w.id, '') as r where w.user_id = rob$$,
  $$values (null::text, null::timestamptz)$$, 'an empty reply takes it back');
select tests.sign_in(rob) from people;
select is((select count(*) from public.notifications where kind = 'review.replied'), 1::bigint, 'authors hear of replies');

select tests.sign_out();
select results_eq(
  $$select event_type, count(*), bool_or(payload::text like '%' || i.organization_id || '%')
    from public.webhook_deliveries, public.marketplace_installs as i group by event_type order by event_type$$,
  $$values ('listing.approved', 2::bigint, false), ('listing.installed', 4, false), ('review.created', 4, false)$$,
  'webhooks hear of it, and not by whom');
select tests.sign_in(rob) from people;

-- What goes, and what stays ---------------------------------------------------------------------------
delete from public.agent_reviews;
select tests.sign_out();
select results_eq('table counts', 'values (1::bigint, 5::bigint, 1::bigint)', 'a deleted review counts no more');
select private.fold_agent_counters();
select results_eq('select rating_sort, average_rating, is_verified, install_sort from public.marketplace_listings',
  $$values (3.7500, 5.00, true, 2::bigint)$$, 'folding gives the listing its place');
select is_empty('select * from private.recount()', 'a recount agrees');
delete from auth.users using people where id = ines;
select is((select count(*) from public.agent_reviews), 1::bigint, 'a review outlives its author''s account');
delete from public.organizations where deleted_at is not null;
select is((select organization_id from public.agent_reviews), null, 'and organization');
select is_empty('select * from private.recount()', 'and counts all the same');

select * from finish();
rollback;
