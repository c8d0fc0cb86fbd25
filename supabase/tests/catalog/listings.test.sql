-- Listings: from a draft to the catalog, who decides on the way, and what follows from it.
begin;
select plan(63);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ben') as ben, tests.create_user('vera') as vera,
  tests.create_user('mo') as mo, tests.create_user('sam') as sam;
grant select on people to public;
create temporary table acme as select tests.create_organization(ada, 'Acme') as id from people;
grant select on acme to public;
select tests.add_member(acme.id, ben, 'member'), tests.add_member(acme.id, vera, 'viewer') from acme, people;
update public.profiles set is_superuser = true from people where id = mo;

insert into public.agents (id, organization_id, created_by_id, name, system_prompt, visibility)
select '00000000-0000-7000-8000-00000000000a'::uuid, acme.id, ada, 'Summarizer', 'Be brief.',
  'organization'::public.agent_visibility
from acme, people
union all
select '00000000-0000-7000-8000-00000000000b', acme.id, ada, 'Diary', 'Secret.', 'private' from acme, people;
insert into public.agent_parameters (agent_id, name) values ('00000000-0000-7000-8000-00000000000a', 'topic');
insert into public.agent_tags (agent_id, tag) values ('00000000-0000-7000-8000-00000000000a', 'news');

-- Writing ---------------------------------------------------------------------------------------------
create function pg_temp.draft(agent text) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into public.marketplace_listings (organization_id, agent_id) values (%L, %L)',
    (select id from acme), '00000000-0000-7000-8000-00000000000' || agent))
$$;
grant execute on function pg_temp.draft to public;
select tests.sign_in(vera) from people;
select is(pg_temp.draft('a'), '42501', 'viewers offer nothing');
select tests.sign_in(sam) from people;
select is(pg_temp.draft('a'), '42501', 'nor do strangers');
select tests.sign_in(ben) from people;
select is(pg_temp.draft('b'), '42501', 'members offer no agent that they cannot edit');
select is(pg_temp.draft('a'), null, 'but others');
select is(pg_temp.draft('a'), '23505', 'each once');
select tests.sign_out();
create temporary table listing as select id from public.marketplace_listings;
grant select on listing to public;

select tests.sign_in(ben) from people;
insert into public.listing_revisions (listing_id, title, category)
select id, 'Résumé writer', 'Writing' from listing;
select is(tests.code_of('insert into public.listing_revisions (listing_id, title) select id, ''Two'' from listing'),
  '23505', 'one revision at a time is open');
select is(
  tests.code_of('update public.listing_revisions set pricing_model = ''one_time'''), '23514',
  'what is not free has a price');
select is(tests.code_of('update public.listing_revisions set screenshots = ''{javascript:x}'''), '23514',
  'pictures have web addresses');
select is(tests.code_of('select public.submit_listing(id) from listing'), 'not_allowed',
  'members do not submit');
select tests.sign_in(sam) from people;
select is(tests.code_of('select public.submit_listing(id) from listing'), 'listing_not_found',
  'strangers see no draft');
select is((select count(*) from public.listing_revisions), 0::bigint, 'and no revision');
select tests.sign_in(ada) from people;
select is(tests.code_of('select public.submit_listing(id) from listing'), 'listing_incomplete',
  'what lacks a text is not submitted');
update public.listing_revisions set short_description = 'Short.', long_description = 'Writes résumés.';
select is(tests.code_of('select public.submit_listing(id) from listing'), 'agent_not_published',
  'nor what no version runs');
select public.publish_agent_version('00000000-0000-7000-8000-00000000000a');
select is((public.submit_listing(id)).status, 'pending_review', 'then it waits for review') from listing;
select is(tests.code_of('select public.submit_listing(id) from listing'), 'nothing_to_submit',
  'it is submitted once');
select is(tests.code_of('update public.listing_revisions set title = ''Other'''), 'revision_frozen',
  'what waits does not change');
select is(tests.code_of('delete from public.listing_revisions'), 'revision_frozen', 'and does not go');
select is((public.withdraw_listing(id)).status, 'withdrawn', 'but is taken back') from listing;
select is(tests.code_of('select public.withdraw_listing(id) from listing'), 'nothing_to_withdraw', 'once');
update public.listing_revisions set title = 'Curriculum writer';
select is((public.submit_listing(id)).title, 'Curriculum writer', 'and handed in again') from listing;
select is(
  tests.code_of('select public.review_listing(id, true) from public.listing_revisions'), 'moderators_only',
  'publishers do not decide');

-- Deciding --------------------------------------------------------------------------------------------
select tests.sign_in(mo) from people;
select is((select count(*) from public.notifications where kind = 'listing.submitted'), 2::bigint,
  'moderators hear of what is submitted');
select is((select (public.inspect_revision(id)).system_prompt from public.listing_revisions), 'Be brief.',
  'and see what it would run');
select is(tests.code_of('select public.review_listing(gen_random_uuid(), true)'), 'revision_not_found',
  'there must be something to decide');
select is((public.review_listing(id, false, ' Too short. ')).review_notes, 'Too short.', 'they reject')
from public.listing_revisions;
select is(
  tests.code_of('select public.review_listing(id, true) from public.listing_revisions'),
  'listing_state_conflict', 'and what is decided is decided');
select tests.sign_in(ada) from people;
select results_eq($$select payload ->> 'notes' from public.notifications where kind = 'listing.rejected'$$,
  $$values ('Too short.')$$, 'the publisher hears why');
select is(tests.code_of('select public.inspect_revision(id) from public.listing_revisions'), 'moderators_only',
  'others do not look into revisions');
update public.listing_revisions set long_description = 'Writes résumés and letters.';
select public.submit_listing(id) from listing;
select tests.sign_in_as_anon();
select is((select count(*) from public.marketplace_listings), 0::bigint, 'nobody sees it meanwhile');
select is((select count(*) from public.agent_tags) + (select count(*) from public.agent_stats), 0::bigint,
  'nor anything of its agent');

-- In the table editor, as the operator: the same consequences.
select tests.sign_in_as_service_role();
update public.listing_revisions set status = 'approved';
select tests.sign_in_as_anon();
select results_eq(
  $$select title, status, parameters -> 0 ->> 'name', tags, published_at is not null
    from public.marketplace_listings$$,
  $$values ('Curriculum writer', 'listed', 'topic', '{news}'::text[], true)$$, 'approved, it is live');
select results_eq('select tag from public.agent_tags', $$values ('news')$$, 'with its tags');
select results_eq('select install_count from public.agent_stats', 'values (0::bigint)', 'and counts');
select results_eq('select (public.publisher(l)).name from public.marketplace_listings as l', $$values ('Acme')$$,
  'and its publisher');
select results_eq('select s.view_count from public.marketplace_listings as l, public.stats(l) as s',
  'values (0::bigint)', 'counts are embedded');
select is((select count(*) from public.agents), 0::bigint, 'its agent is not');
select is((select count(*) from public.agent_versions), 0::bigint, 'nor its prompts');
select tests.sign_out();
select results_eq(
  $$select r.status, r.agent_version_id = a.current_version_id, r.submitted_by_id = p.ada, r.reviewed_at is not null
    from public.listing_revisions as r join public.agents as a on a.id = r.agent_id, people as p$$,
  $$values ('approved', true, true, true)$$, 'who and when are kept');
select is(
  (select count(*) from public.notifications, people where kind = 'listing.approved' and user_id = ada), 1::bigint,
  'its publisher hears of it');
select is(tests.code_of($$update public.listing_revisions set title = 'X'$$), 'revision_frozen',
  'what was approved changes by no hand');
select is(tests.code_of($$update public.listing_revisions set status = 'draft'$$), 'listing_state_conflict',
  'and is final');
select is(
  tests.code_of($$insert into public.listing_revisions (listing_id, title, status) select id, 'X', 'approved' from listing$$),
  'listing_state_conflict', 'nothing begins as approved');

-- The next revision waits beside it.
select tests.sign_in(ada) from people;
insert into public.listing_revisions (listing_id, title, short_description, long_description, category, pricing_model, price_usd)
select id, 'Letter writer', 'Short.', 'Long.', 'Writing', 'subscription', 9.99 from listing;
select is((select title from public.marketplace_listings), 'Curriculum writer', 'the live text stays while the next is written');
select public.submit_listing(id) from listing;
select tests.sign_in(mo) from people;
select public.review_listing(id, true) from public.listing_revisions where status = 'pending_review';
select tests.sign_in_as_anon();
select results_eq('select title, price_usd from public.marketplace_listings', $$values ('Letter writer', 9.99)$$,
  'until it is approved');

-- On and off the shelf --------------------------------------------------------------------------------
select tests.sign_in(ada) from people;
update public.marketplace_listings set status = 'draft';
select tests.sign_in_as_anon();
select is((select count(*) from public.marketplace_listings), 0::bigint, 'admins take it off the shelf');
select tests.sign_in(ben) from people;
update public.marketplace_listings set status = 'listed';
select is((select status from public.marketplace_listings), 'draft', 'members do not');
select tests.sign_in(ada) from people;
update public.marketplace_listings set status = 'listed';
select is((select is_live from public.marketplace_listings), true, 'and back');
select is(tests.code_of('update public.marketplace_listings set is_featured = true'), 'moderators_only',
  'nobody features themselves');
select is(tests.code_of('select public.suspend_listing(id, ''x'') from listing'), 'moderators_only',
  'or suspends');
select tests.sign_in(mo) from people;
update public.marketplace_listings set is_featured = true;
select is((select featured_at is not null from public.marketplace_listings), true, 'moderators feature');
select is((public.suspend_listing(id, 'Spam.')).is_live, false, 'and suspend') from listing;
select is(tests.code_of('select public.suspend_listing(id, ''x'') from listing'), 'listing_state_conflict', 'once');
select tests.sign_in(ada) from people;
select is(tests.code_of('update public.marketplace_listings set status = ''draft'''), 'moderators_only',
  'no publisher ends a suspension');
select results_eq($$select l.review_notes, n.payload ->> 'notes' from public.marketplace_listings as l, public.notifications as n
  where n.kind = 'listing.suspended'$$, $$values ('Spam.', 'Spam.')$$, 'but learns why');
select tests.sign_in(mo) from people;
select results_eq('select r.status, r.review_notes from listing, public.reinstate_listing(id) as r', $$values ('listed', null)$$,
  'a reinstated listing is back');
select tests.sign_in(ada) from people;
update public.marketplace_listings set status = 'draft';
insert into public.listing_revisions (listing_id, title, short_description, long_description, category)
select id, 'Postcard writer', 'Short.', 'Long.', 'Writing' from listing;
select public.submit_listing(id) from listing;
select tests.sign_in(mo) from people;
select public.review_listing(id, true) from public.listing_revisions where status = 'pending_review';
select results_eq('select status, title from public.marketplace_listings', $$values ('draft', 'Postcard writer')$$,
  'what its publisher took off the shelf stays off when a revision is approved');
select public.suspend_listing(id, 'Spam.') from listing;
select is((select suspended_from from public.marketplace_listings), 'draft', 'and when it is suspended');
select is((public.reinstate_listing(id)).status, 'draft', 'and reinstated') from listing;
select tests.sign_in(ada) from people;
update public.marketplace_listings set status = 'listed';

-- What its agent and organization bring about ---------------------------------------------------------
select tests.sign_in(ada) from people;
select public.delete_agent('00000000-0000-7000-8000-00000000000a');
select tests.sign_in_as_anon();
select is((select count(*) from public.marketplace_listings), 0::bigint, 'the listing of a deleted agent is gone');
select tests.sign_in(ada) from people;
select public.restore_agent('00000000-0000-7000-8000-00000000000a');
select is((select is_live from public.marketplace_listings), true, 'and comes back with it');
select public.delete_organization(id) from acme;
select tests.sign_in_as_anon();
select is((select count(*) from public.marketplace_listings), 0::bigint, 'as it does with the organization');
select tests.sign_out();
select is(tests.code_of('delete from public.marketplace_listings'), 'listing_was_live',
  'no hand deletes what was live');
delete from public.agents where id = '00000000-0000-7000-8000-00000000000a';
select is((select count(*) from public.listing_revisions), 0::bigint, 'a purge takes all of it');

select * from finish();
rollback;
