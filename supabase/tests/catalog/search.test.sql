-- Searching: what is found, in which order, page by page, and how many of each kind there are.
begin;
select plan(47);

create temporary table people as select tests.create_user('ada') as ada;
create temporary table shop as select tests.create_organization(ada, 'Maker') as maker from people;
update public.organizations set max_agents = 100;
select tests.create_listing(ada, maker, l.title, l.price)
from people, shop, (values
  ('Invoice reader', null::numeric), ('Meeting minutes', 5), ('Résumé coach', null), ('Contract summary', 20))
  as l (title, price);
update public.marketplace_listings set
  category = case title when 'Invoice reader' then 'Finance' when 'Contract summary' then 'Legal' else 'Office' end,
  industry_id = (select id from public.industries where name = case title when 'Invoice reader' then 'Finance' else 'Legal' end),
  long_description = case title
    when 'Invoice reader' then 'Reads scanned invoices and books them. It knows about suppliers, taxes and due dates, and asks when an amount looks odd.'
    when 'Meeting minutes' then 'Writes minutes of a meeting and sends summaries by e-mail.'
    when 'Contract summary' then 'Sums up contracts for people who are no lawyers.'
    else 'Helps with your CV.' end;
insert into public.agent_tags (agent_id, tag)
select l.agent_id, t.tag from public.marketplace_listings as l
  join (values ('Invoice reader', 'accounting'), ('Invoice reader', 'ocr'), ('Contract summary', 'ocr')) as t (title, tag)
    on t.title = l.title;

create function pg_temp.found(query text, category text default null, tags text[] default null, pricing text[] default null,
  max_price numeric default null, min_rating numeric default null, verified boolean default null, industry text default null,
  sort text default 'relevance') returns text[]
language sql
as $$
  select coalesce(array_agg(f.title), '{}')
  from public.search_listings(query, category, (select id from public.industries where name = industry), tags, pricing,
    max_price, min_rating, verified, sort) as f
$$;
grant execute on function pg_temp.found to public;
select tests.sign_in_as_anon();

-- Words -----------------------------------------------------------------------------------------------
select is(pg_temp.found('invoices'), '{Invoice reader}', 'endings do not matter');
select is(pg_temp.found('resume'), '{Résumé coach}', 'accents do not matter');
select is(pg_temp.found('summary'), '{Contract summary,Meeting minutes}', 'a title weighs more than a text');
select is(pg_temp.found('accounting'), '{Invoice reader}', 'tags are found');
select is(pg_temp.found('finance'), '{Invoice reader}', 'as are category and industry');
select is(pg_temp.found('"no lawyers"'), '{Contract summary}', 'phrases are');
select is(pg_temp.found('summary -contract'), '{Meeting minutes}', 'words are excluded');
select is(cardinality(pg_temp.found('invoice or minutes')), 2, 'or alternatives');
select is(pg_temp.found('invocie'), '{Invoice reader}', 'letters that change places are forgiven');
select is(pg_temp.found('contrct sumary'), '{Contract summary}', 'in every word');
select is(pg_temp.found('contrct -sumary'), '{}', 'but not beside operators: what is excluded is not asked for');
select is(pg_temp.found('zzzz or contrct'), '{}', 'nor are alternatives made one');
select is(pg_temp.found('the contrct of sumary'), '{Contract summary}', 'and words that say nothing need not be there');
select is(pg_temp.found('zzzzqqqq'), '{}', 'what resembles nothing finds nothing');
select is(pg_temp.found('!!!'), '{}', 'nor do signs');
select is(cardinality(pg_temp.found('   ')), 4, 'blanks are no words');
select is(tests.code_of($$select public.search_listings(repeat('a b ', 100000))$$), null, 'long searches are cut');
select matches((select snippet from public.search_listings('taxes')), '\*\*taxes\*\*', 'the snippet marks what matched');
select is((select bool_and(snippet is null) from public.search_listings()), true, 'without words there is none');
select results_eq(
  $$select organization_slug, organization_name, rating_count, install_count, total_uses, relevance > 0
    from public.search_listings('invoice')$$,
  $$values ('maker', 'Maker', 0::bigint, 0::bigint, 0::bigint, true)$$, 'publisher and counts come along');

-- Filters ---------------------------------------------------------------------------------------------
select tests.sign_out();
select private.add_agent_delta(l.agent_id, d.counter, d.delta)
from public.marketplace_listings as l
  join (values ('Invoice reader', 'rating_count', 1), ('Invoice reader', 'rating_sum', 5), ('Invoice reader', 'install_count', 3),
    ('Contract summary', 'rating_count', 40), ('Contract summary', 'rating_sum', 180), ('Contract summary', 'verified_rating_count', 2),
    ('Résumé coach', 'rating_count', 2), ('Résumé coach', 'rating_sum', 4)) as d (title, counter, delta)
    on d.title = l.title;
select private.fold_agent_counters();
update public.marketplace_listings set published_at = now() - case title when 'Meeting minutes' then interval '1 hour' else interval '1 day' end,
  trending_score = case title when 'Résumé coach' then 9 else 1 end;
select tests.sign_in_as_anon();
select is(pg_temp.found(null, category => 'Legal'), '{Contract summary}', 'by category');
select is(pg_temp.found(null, industry => 'Finance'), '{Invoice reader}', 'by industry');
select is(pg_temp.found(null, tags => '{ocr,accounting}'), '{Invoice reader}', 'by all tags');
select is(cardinality(pg_temp.found(null, pricing => '{one_time}')), 2, 'by price model');
select is(cardinality(pg_temp.found(null, max_price => 5)), 3, 'by price');
select is(pg_temp.found(null, min_rating => 4.6), '{Invoice reader}', 'by rating');
select is(pg_temp.found(null, verified => true), '{Contract summary}', 'by verified reviews');

-- Orders ----------------------------------------------------------------------------------------------
select is((pg_temp.found(null, sort => 'rating'))[1:2], '{Contract summary,Invoice reader}', 'many good ratings beat one of five');
select is((pg_temp.found(null, sort => 'rating'))[4], 'Résumé coach', 'and bad ones fall behind none');
select is((pg_temp.found(null, sort => 'newest'))[1], 'Meeting minutes', 'newest first');
select is((pg_temp.found(null, sort => 'installs'))[1], 'Invoice reader', 'most installed first');
select is((pg_temp.found(null, sort => 'trending'))[1], 'Résumé coach', 'most wanted of late first');
select is((pg_temp.found(null))[1], 'Résumé coach', 'which leads without words, too');

-- Pages -----------------------------------------------------------------------------------------------
create function pg_temp.paged(sort text, query text default null) returns text[]
language plpgsql
as $$
declare
  v_titles text[] := '{}';
  v_after text;
  v_row record;
begin
  for i in 1..10 loop
    select title, cursor into v_row
    from public.search_listings(paged.query, sort => paged.sort, after => v_after, page_size => 1);
    exit when not found;
    v_titles := v_titles || v_row.title;
    v_after := v_row.cursor;
  end loop;
  return v_titles;
end
$$;
select is(
  (select array_agg(s.sort) from unnest('{relevance,rating,newest,installs,trending}'::text[]) as s (sort)
    where pg_temp.paged(s.sort) <> pg_temp.found(null, sort => s.sort)),
  null, 'page by page, every order is the same and whole');
select is(pg_temp.paged('relevance', 'summary'), pg_temp.found('summary'), 'with words, too');
select is(tests.code_of($$select public.search_listings(sort => 'rating', after => (select cursor from public.search_listings(sort => 'newest') limit 1))$$),
  'bad_cursor', 'a cursor is for one order');
select is(tests.code_of($$select public.search_listings('summary', after => (select cursor from public.search_listings() limit 1))$$),
  'bad_cursor', 'with words or without');
select is(
  (select array_agg(c.cursor) from unnest(array['', 'x', '!', 'WzFd', 'e30=', 'bnVsbA==', encode('["rating", "x", "y"]', 'base64'),
      encode('["rating", null, null]', 'base64'), encode('\xff00', 'base64')]) as c (cursor)
    where tests.code_of(format('select public.search_listings(sort => ''rating'', after => %L)', c.cursor)) is distinct from 'bad_cursor'),
  null, 'rubbish is no cursor');
select is(tests.code_of($$select public.search_listings(sort => 'price; drop table x')$$), 'sort_unknown', 'orders are known');
select is(tests.code_of($$select public.search_listings(page_size => 0)$$), 'page_size_invalid', 'a page has a row');
select is(tests.code_of($$select public.search_listings(page_size => 101)$$), 'page_size_invalid', 'and at most a hundred');

-- Facets ----------------------------------------------------------------------------------------------
select results_eq(
  $$select facet, value, count from public.listing_facets(category => 'Legal')
    where facet in ('category', 'pricing') order by facet, value collate "C"$$,
  $$values ('category', 'Finance', 1::bigint), ('category', 'Legal', 1), ('category', 'Office', 2), ('pricing', 'one_time', 1)$$,
  'each facet ignores its own filter and minds the others');
select results_eq(
  $$select facet, value, count from public.listing_facets('summary or invoice', pricing => '{free}', verified => false)
    where facet in ('tags', 'verified', 'min_rating', 'pricing') order by facet, value collate "C"$$,
  $$values ('min_rating', '1', 1::bigint), ('min_rating', '2', 1), ('min_rating', '3', 1), ('min_rating', '4', 1),
    ('pricing', 'free', 1), ('pricing', 'one_time', 1), ('tags', 'accounting', 1), ('tags', 'ocr', 1), ('verified', 'false', 1)$$,
  'and the words');
select tests.sign_out();
update public.industries set name = 'Money' where name = 'Finance';
select is(pg_temp.found('money'), '{Invoice reader}', 'an industry is found by its new name');
update public.marketplace_listings set status = 'draft' where title = 'Invoice reader';
select tests.sign_in_as_anon();
select is(pg_temp.found('invoice'), '{}', 'what is off the shelf is not found');
select is((select count(*) from public.listing_facets() where value = 'accounting'), 0::bigint, 'or counted');
select tests.sign_out();
select private.forget_listing_words();
select is((select count(*) from private.listing_vocabulary where word = 'accounting'), 0::bigint, 'and its words are forgotten');

select * from finish();
rollback;
