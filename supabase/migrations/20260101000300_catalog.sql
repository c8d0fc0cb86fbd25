-- migrate:up

-- Catalog: the marketplace. What organizations offer (listings, moderated revision by revision), what
-- others do with it (installs, purchases, reviews, favorites, collections), what that says about it
-- (events, from which trending is made), and how it is found (search, facets).
--
-- Moderators are superusers, in the app, or operators who edit rows in the table editor. Either way
-- triggers keep dates, live copies, consequences and notices right; functions only say who may.
--
-- For the contexts after this one:
--   private.credited_agent_id(agent_id, user_id)   for which agent a run counts; null for none
--   private.log_agent_event(agent_id, event_type, user_id, metadata)
--   private.is_agent_visible(agent_id)             whether the caller can read it, or it is listed

create type public.pricing_model as enum ('free', 'one_time', 'subscription', 'usage_based');

-- ---------------------------------------------------------------------------------------------------
-- industries: the eight verticals by which the catalog is browsed. Written by operators only.
-- ---------------------------------------------------------------------------------------------------
create table public.industries (
  id uuid primary key default private.uuid_v7(),
  name text not null
    constraint name_is_1_to_100_characters check (char_length(name) between 1 and 100)
    constraint industry_names_are_unique unique,
  description text not null default '',
  icon text,
  display_order integer not null default 0,
  active boolean not null default true,
  created_at timestamptz not null default now()
);
alter table public.industries enable row level security;

grant select on public.industries to anon, authenticated;

create policy industries_select_anyone on public.industries
  for select to anon, authenticated
  using (true);
create policy industries_select_scope on public.industries as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));

comment on table public.industries is
  E'The verticals by which the catalog is browsed.\nReference data, in display_order; inactive ones are kept for the listings that name them.';
comment on column public.industries.icon is 'A name from the icon set Lucide.';

insert into public.industries (name, description, icon, display_order)
values
  ('Healthcare', 'Care, research and the paperwork around both.', 'heart-pulse', 1),
  ('Finance', 'Banking, insurance, accounting and controlling.', 'landmark', 2),
  ('Retail', 'Shops, online and off: catalogs, orders, customers.', 'shopping-cart', 3),
  ('Education', 'Teaching, training and learning.', 'graduation-cap', 4),
  ('Legal', 'Contracts, compliance and casework.', 'scale', 5),
  ('Manufacturing', 'Production, quality, supply and maintenance.', 'factory', 6),
  ('Technology', 'Software, data and the teams that run them.', 'cpu', 7),
  ('Marketing', 'Campaigns, content and the media.', 'megaphone', 8);

-- ---------------------------------------------------------------------------------------------------
-- How texts become words: English endings are cut ("emails" finds "email"), and beside it every word
-- stands as it is written, so that names, other languages and English stop words are found too. Accents
-- do not matter.
-- ---------------------------------------------------------------------------------------------------
create text search configuration private.listing_text (copy = pg_catalog.english);
alter text search configuration private.listing_text
  alter mapping for hword, hword_part, word with extensions.unaccent, pg_catalog.english_stem;
create text search configuration private.listing_words (copy = pg_catalog.simple);
alter text search configuration private.listing_words
  alter mapping for hword, hword_part, word with extensions.unaccent, pg_catalog.simple;

create function private.search_vector(value text, weight "char") returns tsvector
language sql stable parallel safe
set search_path = ''
as $$
  select setweight(
    to_tsvector('private.listing_text', coalesce(value, ''))
      || to_tsvector('private.listing_words', coalesce(value, '')),
    weight)
$$;
comment on function private.search_vector(text, "char") is
  'A text as search keeps it, with the weight of its place.';

create function private.search_query(query text) returns tsquery
language sql stable parallel safe
set search_path = ''
as $$
  select websearch_to_tsquery('private.listing_text', query)
    || websearch_to_tsquery('private.listing_words', query)
$$;
comment on function private.search_query(text) is
  'What people type into a search box: all words, "a phrase", or, -not.';

-- The words of the catalog, against which misspelled ones are held. Live listings add theirs; what
-- nothing uses any more finds nothing and goes within a day.
create table private.listing_vocabulary (
  word text collate "C" primary key
);
-- Which words look most like a misspelled one: nearest first, from the index.
create index listing_vocabulary_similar_idx on private.listing_vocabulary
  using gist (word extensions.gist_trgm_ops);
comment on table private.listing_vocabulary is 'Every word by which a listing is found.';

create function private.notify_admins(organization_id uuid, kind text, payload jsonb) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  perform private.notify_user(m.user_id, notify_admins.kind, notify_admins.payload)
  from public.organization_members as m
  where m.organization_id = notify_admins.organization_id and m.role >= 'admin';
end
$$;
comment on function private.notify_admins(uuid, text, jsonb) is
  'Leaves a notice for each admin and owner of an organization.';

-- ---------------------------------------------------------------------------------------------------
-- marketplace_listings: one agent's place in the catalog. Its texts, media and price are the copy of the
-- live revision, written when that is approved. Refused: statuses that do not follow each other, and
-- moderation by anyone but superusers.
--
-- Who writes what:
--   members     the row itself, for an agent that they edit
--   admins      status, between draft and listed; moderators also suspended, review_notes, is_featured
--   approval    live_revision_id, title to price_usd except tags, the first one status too
--   agent_tags  tags
--   upkeep      trending_score; with the counters rating_sort, average_rating, is_verified, install_sort
--   triggers    is_live, featured_at, published_at, suspended_from, search
--
-- In which order triggers fire: before, _100_guard (who may), _150_begin (the agent's tags), _200_state
-- (what follows from the status), _300_search, _400_set_updated_at, _450_stay (no deletion of what was
-- live); after, _500_rank (what the counters say already), _600_notify, _700_learn_words.
-- ---------------------------------------------------------------------------------------------------
create table public.marketplace_listings (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  agent_id uuid not null
    constraint an_agent_has_one_listing unique,
  live_revision_id uuid,
  status text not null default 'draft'
    constraint status_is_known check (status in ('draft', 'listed', 'suspended'))
    constraint a_listing_is_approved_before_it_is_listed check (
      status = 'draft' or live_revision_id is not null),
  -- Listed, of an agent and an organization that are not deleted: what the world may see.
  is_live boolean not null default false,
  title text,
  short_description text,
  long_description text,
  use_case text,
  category text,
  industry_id uuid references public.industries (id) on delete set null,
  tags text[] not null default '{}',
  parameters jsonb not null default '[]',
  icon_url text,
  screenshots text[] not null default '{}',
  demo_video_url text,
  pricing_model public.pricing_model not null default 'free',
  price_usd numeric(10, 2),
  is_featured boolean not null default false,
  featured_at timestamptz,
  published_at timestamptz,
  review_notes text
    constraint notes_are_for_suspended_listings check (
      review_notes is null or status = 'suspended'),
  suspended_from text
    constraint what_is_suspended_goes_back_to_where_it_was check (
      (suspended_from is not null) = (status = 'suspended')
      and suspended_from in ('draft', 'listed')),
  search tsvector not null default '',
  -- What the agent's counters say, as folded last: for sorting and filtering. Counts to show are in
  -- agent_stats.
  rating_sort numeric(6, 4) not null default 3.5,
  average_rating numeric(3, 2),
  is_verified boolean not null default false,
  install_sort bigint not null default 0,
  trending_score numeric not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  -- What revisions point at.
  unique (id, organization_id, agent_id)
);
alter table public.marketplace_listings enable row level security;
-- Of 5,000 words the planner knows how many listings have them, so that it looks rare ones up and reads
-- on in order for common ones.
alter table public.marketplace_listings alter column search set statistics 500;

-- An organization's listings, newest first.
create index marketplace_listings_list_idx
  on public.marketplace_listings (organization_id, created_at desc, id);
-- Search: the words, and each order in which pages are read.
create index marketplace_listings_search_idx on public.marketplace_listings using gin (search)
  where is_live;
create index marketplace_listings_rating_idx on public.marketplace_listings (rating_sort, id)
  where is_live;
create index marketplace_listings_newest_idx on public.marketplace_listings (published_at, id)
  where is_live;
create index marketplace_listings_installs_idx on public.marketplace_listings (install_sort, id)
  where is_live;
create index marketplace_listings_trending_idx on public.marketplace_listings (trending_score, id)
  where is_live;
-- Search: filters that leave few.
create index marketplace_listings_category_idx on public.marketplace_listings (category)
  where is_live;
create index marketplace_listings_tags_idx on public.marketplace_listings using gin (tags)
  where is_live;
-- The shelf of featured ones.
create index marketplace_listings_featured_idx on public.marketplace_listings (featured_at desc)
  where is_live and is_featured;
-- Facets of the whole catalog, without reading the rows.
create index marketplace_listings_facets_idx on public.marketplace_listings
  (category, industry_id, pricing_model, price_usd, average_rating, is_verified) include (tags)
  where is_live;
create index marketplace_listings_industry_id_idx on public.marketplace_listings (industry_id)
  where industry_id is not null;
create index marketplace_listings_live_revision_id_idx
  on public.marketplace_listings (live_revision_id)
  where live_revision_id is not null;

create function private.tg_marketplace_listings__guard() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Only direct writes of API callers run as `authenticated`; operators and definer functions pass.
  if current_user <> 'authenticated' or private.is_superuser() then
    return new;
  end if;
  if new.is_featured <> old.is_featured or 'suspended' in (old.status, new.status) then
    raise sqlstate 'PT403' using
      message = 'Only moderators feature, suspend and reinstate listings.',
      detail = 'moderators_only',
      hint = 'Write to the operator of the platform.';
  end if;
  return new;
end
$$;
comment on function private.tg_marketplace_listings__guard() is
  'Before update of status or is_featured: admins take a listing off the shelf and put it back, the rest is the moderators''.';
create trigger _100_guard before update of status, is_featured on public.marketplace_listings
  for each row execute function private.tg_marketplace_listings__guard();

create function private.tg_marketplace_listings__state() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE'
    and old.status <> new.status
    and (
      (old.status, new.status) = ('suspended', 'draft')
      or (new.status <> 'draft' and new.live_revision_id is null)
    )
  then
    raise sqlstate 'PT409' using
      message = format('A listing that is %s cannot become %s.', old.status, new.status),
      detail = 'listing_state_conflict',
      hint = case
        when new.live_revision_id is null then 'Submit it; it is listed once it is approved.'
        else 'Have it reinstated first.'
      end;
  end if;
  -- Reinstated, it stands where it stood: what its publisher took off the shelf stays off.
  if tg_op = 'UPDATE' and old.status = 'suspended' and new.status = 'listed' then
    new.status := old.suspended_from;
  end if;
  new.suspended_from := case
    when new.status <> 'suspended' then null
    when old.status = 'suspended' then old.suspended_from
    else old.status
  end;
  if new.status <> 'suspended' then
    new.review_notes := null;
  end if;
  if new.status = 'listed' then
    new.published_at := coalesce(new.published_at, now());
  end if;
  new.featured_at := case when new.is_featured then coalesce(new.featured_at, now()) end;
  new.is_live := new.status = 'listed' and exists (
    select
    from public.agents as a
      join public.organizations as o on o.id = a.organization_id
    where a.id = new.agent_id and a.deleted_at is null and o.deleted_at is null);
  return new;
end
$$;
comment on function private.tg_marketplace_listings__state() is
  'Before insert or update: statuses follow each other, and a reinstated listing gets the one from before; dates, notes and is_live follow the status.';
create trigger _200_state
  before insert or update of status, live_revision_id, is_featured, featured_at, is_live, review_notes
  on public.marketplace_listings
  for each row execute function private.tg_marketplace_listings__state();

create function private.tg_marketplace_listings__search() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.search := private.search_vector(new.title, 'A')
    || private.search_vector(
      concat_ws(
        ' ', array_to_string(new.tags, ' '), new.category,
        (select i.name from public.industries as i where i.id = new.industry_id)),
      'B')
    || private.search_vector(concat_ws(' ', new.short_description, new.use_case), 'C')
    || private.search_vector(new.long_description, 'D');
  return new;
end
$$;
comment on function private.tg_marketplace_listings__search() is
  'Before insert or update of what is searched: title weighs most, then tags, category and industry, then the short text and the use case, then the long text.';
create trigger _300_search
  before insert or update of title, short_description, long_description, use_case, category,
    industry_id, tags
  on public.marketplace_listings
  for each row execute function private.tg_marketplace_listings__search();

-- Ranks and scores are no edits.
create trigger _400_set_updated_at
  before update of live_revision_id, status, title, short_description, long_description, use_case,
    category, industry_id, tags, icon_url, screenshots, demo_video_url, pricing_model, price_usd,
    is_featured, review_notes
  on public.marketplace_listings
  for each row execute function private.tg_set_updated_at();

create function private.tg_marketplace_listings__stay() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- It goes with its agent.
  if not exists (select from public.agents as a where a.id = old.agent_id) then
    return old;
  end if;
  raise sqlstate 'PT409' using
    message = 'A listing that was live stays as long as its agent.',
    detail = 'listing_was_live',
    hint = 'Suspend it, or take it off the shelf by setting its status to draft.';
end
$$;
comment on function private.tg_marketplace_listings__stay() is
  'Before delete of one that was live, for every role: refused. Installs, purchases and what they count hang on it.';
create trigger _450_stay before delete on public.marketplace_listings
  for each row when (old.live_revision_id is not null)
  execute function private.tg_marketplace_listings__stay();

-- NOTE: texts and price change by approval alone; deletion is for drafts that were never listed.
grant select, delete on public.marketplace_listings to authenticated;
grant select on public.marketplace_listings to anon;
grant insert (organization_id, agent_id) on public.marketplace_listings to authenticated;
grant update (status, is_featured) on public.marketplace_listings to authenticated;

create policy marketplace_listings_select_live on public.marketplace_listings
  for select to anon
  using (is_live);
create policy marketplace_listings_select_reader on public.marketplace_listings
  for select to authenticated
  using (
    is_live
    or organization_id = any (array(select private.my_organization_ids('viewer')))
    or (select private.is_superuser())
  );
create policy marketplace_listings_insert_member on public.marketplace_listings
  for insert to authenticated
  with check (
    organization_id = any (array(select private.my_organization_ids('member')))
    and exists (
      select 1 from public.agent_access as a
      where a.agent_id = marketplace_listings.agent_id and a.can_edit)
  );
create policy marketplace_listings_update_admin on public.marketplace_listings
  for update to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (select private.is_superuser())
  )
  with check (
    organization_id = any (array(select private.my_organization_ids('admin')))
    or (select private.is_superuser())
  );
create policy marketplace_listings_delete_admin on public.marketplace_listings
  for delete to authenticated
  using (
    live_revision_id is null
    and organization_id = any (array(select private.my_organization_ids('admin')))
  );
create policy marketplace_listings_select_scope on public.marketplace_listings as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy marketplace_listings_insert_scope on public.marketplace_listings as restrictive
  for insert to authenticated
  with check ((select private.has_scope('catalog:write')));
create policy marketplace_listings_update_scope on public.marketplace_listings as restrictive
  for update to authenticated
  using ((select private.has_scope('catalog:write')));
create policy marketplace_listings_delete_scope on public.marketplace_listings as restrictive
  for delete to authenticated
  using ((select private.has_scope('catalog:write')));

comment on table public.marketplace_listings is
  E'The catalog.\nAnyone reads what is live; members of the publisher its drafts too. Find with search_listings(). Insert one for an agent, write a listing_revision, submit_listing(): once the first is approved, it is listed. Admins take it off the shelf by setting status to draft, and put it back by listed.';
comment on column public.marketplace_listings.is_live is
  'Whether the world sees it: listed, and neither its agent nor its organization is deleted.';
comment on column public.marketplace_listings.parameters is
  'The inputs of the live version, as agent_versions.parameters has them.';
comment on column public.marketplace_listings.tags is 'The agent''s tags, as agent_tags has them.';
comment on column public.marketplace_listings.price_usd is
  'In US dollars: once, a month, or a run, as pricing_model says; null when free.';
comment on column public.marketplace_listings.review_notes is 'Why it is suspended.';
comment on column public.marketplace_listings.suspended_from is
  'While it is suspended: the status that it gets back.';
comment on column public.marketplace_listings.rating_sort is
  'The mean rating with five ratings of 3.5 added, so that one enthusiast does not beat a hundred.';
comment on column public.marketplace_listings.average_rating is
  'What min_rating compares; agent_stats has the figure of this moment.';
comment on column public.marketplace_listings.is_verified is
  'Whether somebody who installed it has reviewed it.';
comment on column public.marketplace_listings.trending_score is
  'What happened of late; a week halves it. Refreshed every hour, when it moved by a twentieth.';

-- What its agent and organization bring about. The rows are updated whether or not anything changes for
-- them, so that an approval at the same moment waits and looks again.
create function private.tg_agents__show_listing() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.marketplace_listings as l set is_live = l.is_live where l.agent_id = new.id;
  return null;
end
$$;
comment on function private.tg_agents__show_listing() is
  'After a deletion or its undoing: the agent''s listing leaves the catalog and returns.';
create trigger _700_show_listing after update of deleted_at on public.agents
  for each row when (old.deleted_at is distinct from new.deleted_at)
  execute function private.tg_agents__show_listing();

create function private.tg_organizations__show_listings() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- In order, as everybody who changes several.
  perform from public.marketplace_listings as l
  where l.organization_id = new.id
  order by l.id
  for no key update;
  update public.marketplace_listings as l
  set is_live = l.is_live
  where l.organization_id = new.id;
  return null;
end
$$;
comment on function private.tg_organizations__show_listings() is
  'After a deletion or its undoing: the organization''s listings leave the catalog and return.';
create trigger _700_show_listings after update of deleted_at on public.organizations
  for each row when (old.deleted_at is distinct from new.deleted_at)
  execute function private.tg_organizations__show_listings();

create function private.tg_industries__rename() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from public.marketplace_listings as l
  where l.industry_id = new.id
  order by l.id
  for no key update;
  update public.marketplace_listings as l
  set industry_id = l.industry_id
  where l.industry_id = new.id;
  return null;
end
$$;
comment on function private.tg_industries__rename() is
  'After a new name: listings are found by it.';
create trigger _100_rename after update of name on public.industries
  for each row when (old.name <> new.name) execute function private.tg_industries__rename();

create function private.tg_agent_tags__copy() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- First the lock, then the tags: who changes others of the same agent meanwhile is waited for.
  perform from public.marketplace_listings as l
  where l.agent_id in (select c.agent_id from changed as c)
  order by l.id
  for no key update;
  update public.marketplace_listings as l
  set tags = array(
    select t.tag from public.agent_tags as t where t.agent_id = l.agent_id order by t.tag)
  where l.agent_id in (select c.agent_id from changed as c);
  return null;
end
$$;
comment on function private.tg_agent_tags__copy() is
  'After any change: the listings of the agents carry their tags.';
create trigger _100_copy_on_insert after insert on public.agent_tags
  referencing new table as changed
  for each statement execute function private.tg_agent_tags__copy();
create trigger _110_copy_on_update after update on public.agent_tags
  referencing new table as changed
  for each statement execute function private.tg_agent_tags__copy();
create trigger _120_copy_on_delete after delete on public.agent_tags
  referencing old table as changed
  for each statement execute function private.tg_agent_tags__copy();

create function private.tg_marketplace_listings__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.tags := array(
    select t.tag from public.agent_tags as t where t.agent_id = new.agent_id order by t.tag);
  return new;
end
$$;
comment on function private.tg_marketplace_listings__begin() is
  'Before insert: a listing begins with its agent''s tags.';
create trigger _150_begin before insert on public.marketplace_listings
  for each row execute function private.tg_marketplace_listings__begin();

-- What counters say. Folding them is upkeep, so no reader or writer waits for these.
create function private.rating_sort(rating_sum bigint, rating_count bigint) returns numeric
language sql immutable parallel safe
set search_path = ''
as $$
  select round((rating_sum + 5 * 3.5) / (rating_count + 5), 4)
$$;
comment on function private.rating_sort(bigint, bigint) is
  'Bayesian mean: five ratings of 3.5 stand for what is not known yet. Fixed numbers, so that a listing''s place depends on its own ratings alone.';

create function private.tg_agent_counters__rank_listings() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  with moved as (
    select l.id, r.*
    from changed as c
      cross join lateral (values (
        private.rating_sort(c.rating_sum, c.rating_count),
        round(c.rating_sum::numeric / nullif(c.rating_count, 0), 2),
        c.verified_rating_count > 0,
        c.install_count)
      ) as r (rating_sort, average_rating, is_verified, install_sort)
      join public.marketplace_listings as l on l.agent_id = c.agent_id
    where (l.rating_sort, l.average_rating, l.is_verified, l.install_sort)
      is distinct from (r.rating_sort, r.average_rating, r.is_verified, r.install_sort)
    -- Locked in order, as by everybody who changes several.
    order by l.id
    for no key update of l
  )
  update public.marketplace_listings as l
  set rating_sort = m.rating_sort,
    average_rating = m.average_rating,
    is_verified = m.is_verified,
    install_sort = m.install_sort
  from moved as m
  where l.id = m.id;
  return null;
end
$$;
comment on function private.tg_agent_counters__rank_listings() is
  'After counters were folded: the listings'' places in the orders of search.';
create trigger _100_rank_listings_on_insert after insert on private.agent_counters
  referencing new table as changed
  for each statement execute function private.tg_agent_counters__rank_listings();
create trigger _110_rank_listings_on_update after update on private.agent_counters
  referencing new table as changed
  for each statement execute function private.tg_agent_counters__rank_listings();

create function private.tg_marketplace_listings__rank() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update private.agent_counters as c
  set install_count = c.install_count
  where c.agent_id = new.agent_id;
  return null;
end
$$;
comment on function private.tg_marketplace_listings__rank() is
  'After insert: the counts that the agent has already give the listing its place. Through the counters'' own trigger, so that folding at the same moment is waited for.';
create trigger _500_rank after insert on public.marketplace_listings
  for each row execute function private.tg_marketplace_listings__rank();

create function private.tg_marketplace_listings__notify() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_payload jsonb := jsonb_build_object(
    'listing_id', new.id, 'agent_id', new.agent_id, 'title', new.title, 'notes', new.review_notes);
begin
  if new.status = 'suspended' then
    perform private.notify_admins(new.organization_id, 'listing.suspended', v_payload);
    perform private.notify_admins(i.organization_id, 'install.suspended', v_payload - 'notes')
    from public.marketplace_installs as i
    where i.listing_id = new.id and i.uninstalled_at is null;
  elsif old.status = 'suspended' then
    perform private.notify_admins(new.organization_id, 'listing.reinstated', v_payload);
  end if;
  return null;
end
$$;
comment on function private.tg_marketplace_listings__notify() is
  'After a listing was suspended or reinstated: its publisher learns of it, and of a suspension who has it installed. Their copies go on.';
create trigger _600_notify after update of status on public.marketplace_listings
  for each row when (old.status <> new.status)
  execute function private.tg_marketplace_listings__notify();

create function private.tg_marketplace_listings__learn_words() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.listing_vocabulary (word)
  select w.word from unnest(tsvector_to_array(new.search)) as w (word) order by w.word
  on conflict (word) do nothing;
  return null;
end
$$;
comment on function private.tg_marketplace_listings__learn_words() is
  'After a listing goes live, or says something else: its words can be meant by misspelled ones.';
create trigger _700_learn_words
  after update of status, is_live, title, short_description, long_description, use_case, category,
    industry_id, tags
  on public.marketplace_listings
  for each row when (new.is_live and (not old.is_live or new.search <> old.search))
  execute function private.tg_marketplace_listings__learn_words();

create type public.listing_publisher as (id uuid, name text, slug text, logo_url text);

create function private.listing_publisher(listing_id uuid) returns public.listing_publisher
language sql stable security definer
set search_path = ''
as $$
  select row(o.id, o.name, o.slug, o.logo_url)::public.listing_publisher
  from public.marketplace_listings as l
    join public.organizations as o on o.id = l.organization_id
  where l.id = listing_publisher.listing_id
$$;
comment on function private.listing_publisher(uuid) is
  'The public face of a listing''s organization. The caller has seen the listing.';
grant execute on function private.listing_publisher(uuid) to anon, authenticated, service_role;

create function public.publisher(listing public.marketplace_listings)
returns public.listing_publisher
language sql stable
set search_path = ''
as $$
  -- Looked up, so that nobody learns whose a listing is that they cannot see.
  select private.listing_publisher(l.id)
  from public.marketplace_listings as l
  where l.id = listing.id
$$;
comment on function public.publisher(public.marketplace_listings) is
  E'Who offers a listing: id, name, slug and logo_url.\nA computed field: /marketplace_listings?select=title,publisher';
grant execute on function public.publisher(public.marketplace_listings)
  to anon, authenticated, service_role;

-- ---------------------------------------------------------------------------------------------------
-- listing_revisions: what is reviewed. The live one goes on serving while the next is written and waits;
-- each listing has at most one that is not approved. Refused: changes to what waits or was approved, and
-- statuses that do not follow each other.
-- ---------------------------------------------------------------------------------------------------
create table public.listing_revisions (
  id uuid primary key default private.uuid_v7(),
  listing_id uuid not null,
  -- The listing's, filled in by the trigger below.
  organization_id uuid not null default '00000000-0000-0000-0000-000000000000',
  agent_id uuid not null default '00000000-0000-0000-0000-000000000000',
  agent_version_id uuid,
  status text not null default 'draft'
    constraint status_is_known check (
      status in ('draft', 'pending_review', 'approved', 'rejected', 'withdrawn')),
  title text not null
    constraint title_is_1_to_120_characters check (
      char_length(title) between 1 and 120 and title ~ '\S'),
  short_description text not null default ''
    constraint short_description_is_at_most_300_characters check (
      char_length(short_description) <= 300),
  long_description text not null default ''
    constraint long_description_is_at_most_20000_characters check (
      char_length(long_description) <= 20000),
  use_case text not null default ''
    constraint use_case_is_at_most_2000_characters check (char_length(use_case) <= 2000),
  category text
    constraint category_is_1_to_100_characters check (char_length(category) between 1 and 100),
  industry_id uuid references public.industries (id) on delete set null,
  icon_url text
    constraint icon_url_is_a_web_address check (
      icon_url ~ '^https?://\S+$' and char_length(icon_url) <= 2048),
  screenshots text[] not null default '{}'
    constraint screenshots_are_at_most_10_web_addresses check (
      cardinality(screenshots) <= 10
      and array_position(screenshots, null) is null
      and array_to_string(screenshots, ' ') ~ '^(https?://\S+( |$))*$'
      and octet_length(array_to_string(screenshots, '')) <= 20480),
  demo_video_url text
    constraint demo_video_url_is_a_web_address check (
      demo_video_url ~ '^https?://\S+$' and char_length(demo_video_url) <= 2048),
  pricing_model public.pricing_model not null default 'free',
  price_usd numeric(10, 2)
    constraint price_is_positive check (price_usd > 0),
  submitted_by_id uuid references public.profiles (id) on delete set null,
  submitted_at timestamptz,
  review_notes text
    constraint review_notes_are_at_most_5000_characters check (char_length(review_notes) <= 5000),
  reviewed_by_id uuid references public.profiles (id) on delete set null,
  reviewed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint what_is_not_free_has_a_price check ((pricing_model = 'free') = (price_usd is null)),
  constraint what_is_decided_has_a_date check (
    (status in ('approved', 'rejected')) = (reviewed_at is not null)),
  foreign key (listing_id, organization_id, agent_id)
    references public.marketplace_listings (id, organization_id, agent_id) on delete cascade,
  -- A version goes only with its agent, and so with the listing.
  foreign key (agent_version_id, agent_id)
    references public.agent_versions (id, agent_id) on delete cascade,
  -- What a listing's live_revision_id points at.
  unique (id, listing_id)
);
alter table public.listing_revisions enable row level security;

-- A listing's history, newest first.
create index listing_revisions_listing_id_idx on public.listing_revisions (listing_id, id desc);
create unique index a_listing_has_one_open_revision on public.listing_revisions (listing_id)
  where status <> 'approved';
-- The moderators' queue, oldest first.
create index listing_revisions_queue_idx on public.listing_revisions (submitted_at, id)
  where status = 'pending_review';
create index listing_revisions_agent_version_id_idx on public.listing_revisions (agent_version_id)
  where agent_version_id is not null;
create index listing_revisions_industry_id_idx on public.listing_revisions (industry_id)
  where industry_id is not null;
create index listing_revisions_submitted_by_id_idx on public.listing_revisions (submitted_by_id)
  where submitted_by_id is not null;
create index listing_revisions_reviewed_by_id_idx on public.listing_revisions (reviewed_by_id)
  where reviewed_by_id is not null;

alter table public.marketplace_listings
  add foreign key (live_revision_id, id) references public.listing_revisions (id, listing_id);

create function private.tg_listing_revisions__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  select l.organization_id, l.agent_id into new.organization_id, new.agent_id
  from public.marketplace_listings as l
  where l.id = new.listing_id;
  if new.status <> 'draft' then
    raise sqlstate 'PT409' using
      message = 'A revision begins as a draft.',
      detail = 'listing_state_conflict',
      hint = 'Insert it without a status.';
  end if;
  return new;
end
$$;
comment on function private.tg_listing_revisions__begin() is
  'Before insert: a revision is a draft of its listing''s organization and agent.';
create trigger _100_begin before insert on public.listing_revisions
  for each row execute function private.tg_listing_revisions__begin();

create function private.tg_listing_revisions__freeze() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    -- It goes with its listing.
    if not exists (select from public.marketplace_listings as l where l.id = old.listing_id) then
      return old;
    end if;
  elsif (new.agent_version_id, new.title, new.short_description, new.long_description, new.use_case,
      new.category, new.icon_url, new.screenshots, new.demo_video_url, new.pricing_model,
      new.price_usd)
    is not distinct from (old.agent_version_id, old.title, old.short_description,
      old.long_description, old.use_case, old.category, old.icon_url, old.screenshots,
      old.demo_video_url, old.pricing_model, old.price_usd)
    -- Industries may go.
    and (new.industry_id is null or new.industry_id = old.industry_id)
  then
    return new;
  end if;
  raise sqlstate 'PT409' using
    message = 'What waits for review, or was approved, does not change.',
    detail = 'revision_frozen',
    hint = 'Withdraw it first, or write a new revision.';
end
$$;
comment on function private.tg_listing_revisions__freeze() is
  'Before update or delete of what waits or was approved, for every role: refused. Approved must mean what was read.';
create trigger _200_freeze
  before update of agent_version_id, title, short_description, long_description, use_case, category,
    industry_id, icon_url, screenshots, demo_video_url, pricing_model, price_usd
  on public.listing_revisions
  for each row when (old.status in ('pending_review', 'approved'))
  execute function private.tg_listing_revisions__freeze();
create trigger _210_freeze before delete on public.listing_revisions
  for each row when (old.status in ('pending_review', 'approved'))
  execute function private.tg_listing_revisions__freeze();

create function private.tg_listing_revisions__state() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_missing text;
begin
  if (old.status, new.status) not in (
    ('draft', 'pending_review'), ('rejected', 'pending_review'), ('withdrawn', 'pending_review'),
    ('pending_review', 'approved'), ('pending_review', 'rejected'), ('pending_review', 'withdrawn'))
  then
    raise sqlstate 'PT409' using
      message = format('A revision that is %s cannot become %s.', old.status, new.status),
      detail = 'listing_state_conflict',
      hint = 'Load it again to see its status.';
  end if;
  if new.status <> 'pending_review' then
    new.reviewed_at := case when new.status <> 'withdrawn' then now() end;
    new.reviewed_by_id := case
      when new.status <> 'withdrawn' then coalesce(auth.uid(), new.reviewed_by_id)
    end;
    return new;
  end if;

  v_missing := case
    when new.short_description !~ '\S' then 'a short description'
    when new.long_description !~ '\S' then 'a long description'
    when new.category is null then 'a category'
  end;
  if v_missing is not null then
    raise sqlstate 'PT400' using
      message = format('The listing lacks %s.', v_missing),
      detail = 'listing_incomplete',
      hint = 'Add it and submit again.';
  end if;
  -- What was left open is the version that runs now.
  new.agent_version_id := coalesce(new.agent_version_id, (
    select a.current_version_id from public.agents as a where a.id = new.agent_id));
  if not exists (
    select from public.agent_versions as v where v.id = new.agent_version_id and v.is_published
  ) then
    raise sqlstate 'PT409' using
      message = 'A listing offers a published version of its agent.',
      detail = 'agent_not_published',
      hint = 'Publish the agent, or choose another of its versions.';
  end if;
  new.submitted_at := now();
  new.submitted_by_id := coalesce(auth.uid(), new.submitted_by_id);
  new.reviewed_at := null;
  new.reviewed_by_id := null;
  return new;
end
$$;
comment on function private.tg_listing_revisions__state() is
  'Before update of status: statuses follow each other, what is submitted is complete, who and when are kept. Notes stay until the next decision.';
create trigger _300_state before update of status on public.listing_revisions
  for each row when (old.status <> new.status)
  execute function private.tg_listing_revisions__state();
create trigger _400_set_updated_at before update on public.listing_revisions
  for each row execute function private.tg_set_updated_at();

create function private.tg_listing_revisions__decide() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_payload jsonb := jsonb_build_object(
    'listing_id', new.listing_id, 'revision_id', new.id, 'agent_id', new.agent_id,
    'title', new.title, 'notes', new.review_notes);
begin
  case new.status
    when 'pending_review' then
      perform private.notify_user(p.id, 'listing.submitted', v_payload - 'notes')
      from public.profiles as p
      where p.is_superuser;
    when 'approved' then
      update public.marketplace_listings as l
      set live_revision_id = new.id,
        -- One that was live already keeps its place, on the shelf or off it.
        status = case when l.live_revision_id is null then 'listed' else l.status end,
        title = new.title,
        short_description = new.short_description,
        long_description = new.long_description,
        use_case = new.use_case,
        category = new.category,
        industry_id = new.industry_id,
        parameters = (
          select v.parameters from public.agent_versions as v where v.id = new.agent_version_id),
        icon_url = new.icon_url,
        screenshots = new.screenshots,
        demo_video_url = new.demo_video_url,
        pricing_model = new.pricing_model,
        price_usd = new.price_usd
      where l.id = new.listing_id;
      perform private.notify_admins(new.organization_id, 'listing.approved', v_payload);
      perform private.notify_admins(
        i.organization_id, 'install.update_available', v_payload - 'notes')
      from public.marketplace_installs as i
      where i.listing_id = new.listing_id
        and i.uninstalled_at is null
        and i.agent_version_id <> new.agent_version_id;
    when 'rejected' then
      perform private.notify_admins(new.organization_id, 'listing.rejected', v_payload);
    else null;
  end case;
  return null;
end
$$;
comment on function private.tg_listing_revisions__decide() is
  'After a new status: moderators hear of what is submitted, the publisher of what was decided; what is approved goes live, and the first of a listing lists it.';
create trigger _500_decide after update of status on public.listing_revisions
  for each row when (old.status <> new.status)
  execute function private.tg_listing_revisions__decide();

-- NOTE: statuses change by submit_listing(), withdraw_listing() and review_listing().
grant select, delete on public.listing_revisions to authenticated;
grant insert (listing_id, agent_version_id, title, short_description, long_description, use_case,
  category, industry_id, icon_url, screenshots, demo_video_url, pricing_model, price_usd)
  on public.listing_revisions to authenticated;
grant update (agent_version_id, title, short_description, long_description, use_case, category,
  industry_id, icon_url, screenshots, demo_video_url, pricing_model, price_usd)
  on public.listing_revisions to authenticated;

create policy listing_revisions_select_reader on public.listing_revisions
  for select to authenticated
  using (
    organization_id = any (array(select private.my_organization_ids('viewer')))
    or (submitted_at is not null and (select private.is_superuser()))
  );
create policy listing_revisions_insert_member on public.listing_revisions
  for insert to authenticated
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy listing_revisions_update_member on public.listing_revisions
  for update to authenticated
  using (organization_id = any (array(select private.my_organization_ids('member'))))
  with check (organization_id = any (array(select private.my_organization_ids('member'))));
create policy listing_revisions_delete_member on public.listing_revisions
  for delete to authenticated
  using (organization_id = any (array(select private.my_organization_ids('member'))));
create policy listing_revisions_select_scope on public.listing_revisions as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy listing_revisions_insert_scope on public.listing_revisions as restrictive
  for insert to authenticated
  with check ((select private.has_scope('catalog:write')));
create policy listing_revisions_update_scope on public.listing_revisions as restrictive
  for update to authenticated
  using ((select private.has_scope('catalog:write')));
create policy listing_revisions_delete_scope on public.listing_revisions as restrictive
  for delete to authenticated
  using ((select private.has_scope('catalog:write')));

comment on table public.listing_revisions is
  E'What a listing says, as it is reviewed.\ndraft -> pending_review -> approved | rejected | withdrawn; rejected and withdrawn ones are revised and submitted again. One at a time is open. Members write drafts; admins submit.';
comment on column public.listing_revisions.agent_version_id is
  'The published version that is offered; left out, the agent''s current one when it is submitted.';
comment on column public.listing_revisions.price_usd is
  'In US dollars: once, a month, or a run, as pricing_model says; null when free.';
comment on column public.listing_revisions.review_notes is
  'The moderator''s words, kept until the next decision.';

-- ---------------------------------------------------------------------------------------------------
-- agent_events: what happens to agents, for analytics and trending. View, share and fork happen nowhere
-- else; uses, installs and favorites have rows of their own, which count. What an agent's own
-- organization does says nothing about its worth to others and is left out. No foreign keys: an event
-- outlives its agent, and must not lock its row.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_events (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null,
  event_type text not null
    constraint event_type_is_known check (
      event_type in ('use', 'view', 'share', 'install', 'fork', 'favorite')),
  user_id uuid,
  metadata jsonb not null default '{}'
    constraint metadata_is_a_small_object check (
      jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 4096),
  ip_address inet
    constraint ip_address_is_anonymised check (
      masklen(ip_address) <= case family(ip_address) when 4 then 24 else 48 end),
  created_at timestamptz not null default now()
) partition by range (id);
alter table public.agent_events enable row level security;

-- What private.agent_activity() counts.
create index agent_events_agent_id_idx on public.agent_events (agent_id, id desc);
-- One's own, and what is forgotten with an account.
create index agent_events_user_id_idx on public.agent_events (user_id) where user_id is not null;

create function private.tg_agent_events__count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.add_agent_delta(new.agent_id, new.event_type || '_count', 1);
  return null;
end
$$;
comment on function private.tg_agent_events__count() is
  'After insert: views and shares count.';
create trigger _100_count after insert on public.agent_events
  for each row when (new.event_type in ('view', 'share'))
  execute function private.tg_agent_events__count();

-- NOTE: written by private.log_agent_event() alone.
grant select on public.agent_events to authenticated;
revoke insert, update, delete on public.agent_events from service_role;

-- Whom an agent pleases is not its publisher's business: see agent_activity.
create policy agent_events_select_own on public.agent_events
  for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_superuser()));
create policy agent_events_select_scope on public.agent_events as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.agent_events is
  E'What others did with an agent: use, view, share, install, fork, favorite.\nYou read what you did yourself, moderators all; the agent''s organization reads agent_activity. Kept for 12 months. record_agent_event() adds views and shares, the rest follows what happens. No API key.';
comment on column public.agent_events.user_id is
  'Null: somebody who was not signed in, or whose account is gone.';
comment on column public.agent_events.ip_address is
  'Without its last part: a network of 256 addresses, or a /48.';

create function private.agent_activity(agent_id uuid)
returns table (day date, event_type text, count bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  if private.has_scope('usage:read') and exists (
    select from public.agents as a
    where a.id = agent_activity.agent_id
      and a.organization_id = any (array(select private.my_organization_ids('viewer')))
  ) then
    return query
      select (e.created_at at time zone 'UTC')::date, e.event_type, count(*)
      from public.agent_events as e
      where e.agent_id = agent_activity.agent_id
      group by 1, 2;
  end if;
end
$$;
comment on function private.agent_activity(uuid) is
  'Behind public.agent_activity: goes past the policies of events, and leaves out who it was.';
grant execute on function private.agent_activity(uuid) to authenticated;

create view public.agent_activity with (security_invoker = true) as
select a.id as agent_id, e.day, e.event_type, e.count
from public.agents as a
  cross join lateral private.agent_activity(a.id) as e;
grant select on public.agent_activity to authenticated;
comment on view public.agent_activity is
  E'How often others used, viewed, shared, installed, forked or favored an agent, day by day (UTC).\nMembers of the agent''s organization who see the agent; ask for one by agent_id. Never by whom. With an API key it takes usage:read.';

create function private.archive_agent_events(partition regclass) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($sql$
    select private.archive_agent_count(e.agent_id, e.event_type || '_count', count(*))
    from %s as e
    where e.event_type in ('view', 'share')
    group by e.agent_id, e.event_type
  $sql$, archive_agent_events.partition);
end
$$;
comment on function private.archive_agent_events(regclass) is
  'Before a month of events is dropped: keeps what its views and shares counted.';

select private.partition_by_month('public.agent_events', 12, 'private.archive_agent_events(regclass)');

create function private.is_member_of_publisher(user_id uuid, agent_id uuid) returns boolean
language sql stable security definer
set search_path = ''
as $$
  select exists (
    select
    from public.agents as a
      join public.organization_members as m on m.organization_id = a.organization_id
    where a.id = is_member_of_publisher.agent_id and m.user_id = is_member_of_publisher.user_id)
$$;
comment on function private.is_member_of_publisher(uuid, uuid) is
  'Whether a person belongs to the organization that makes the agent.';

create function private.log_agent_event(
  agent_id uuid,
  event_type text,
  user_id uuid,
  metadata jsonb default '{}',
  ip_address inet default null
) returns void
language sql volatile security definer
set search_path = ''
as $$
  insert into public.agent_events (agent_id, event_type, user_id, metadata, ip_address)
  select log_agent_event.agent_id, log_agent_event.event_type, log_agent_event.user_id,
    log_agent_event.metadata,
    network(set_masklen(
      log_agent_event.ip_address, case family(log_agent_event.ip_address) when 4 then 24 else 48 end))
  where not private.is_member_of_publisher(log_agent_event.user_id, log_agent_event.agent_id)
$$;
comment on function private.log_agent_event(uuid, text, uuid, jsonb, inet) is
  'Writes down what somebody outside the agent''s organization did with it.';

create function private.tg_agents__log_fork() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.log_agent_event(new.forked_from_agent_id, 'fork', new.created_by_id);
  return null;
end
$$;
comment on function private.tg_agents__log_fork() is 'After insert of a fork: an event of its source.';
create trigger _720_log_fork after insert on public.agents
  for each row when (new.forked_from_agent_id is not null)
  execute function private.tg_agents__log_fork();

-- Who viewed or shared what within the last hour. A restart may forget it, at the cost of one view.
create unlogged table private.recent_agent_events (
  caller text not null,
  agent_id uuid not null,
  event_type text not null,
  counted_at timestamptz not null default now(),
  primary key (caller, agent_id, event_type)
);
comment on table private.recent_agent_events is
  'What record_agent_event() counted within the last hour, by user or address.';

create function private.forget_recent_agent_events() returns void
language sql volatile
set search_path = ''
as $$
  delete from private.recent_agent_events as r where r.counted_at < now() - interval '1 hour'
$$;
comment on function private.forget_recent_agent_events() is
  'Upkeep: callers are remembered for an hour.';
insert into private.upkeep_tasks (name, task, every)
values (
  'forget recent agent events', 'private.forget_recent_agent_events()', interval '10 minutes');

create function private.is_agent_visible(agent_id uuid) returns boolean
language sql stable security definer
set search_path = ''
as $$
  select exists (
      select from public.marketplace_listings as l
      where l.agent_id = is_agent_visible.agent_id and l.is_live)
    or exists (
      select from public.agents as a
      where a.id = is_agent_visible.agent_id
        and a.visibility = 'public'
        and a.deleted_at is null)
    or private.can_read_agent(is_agent_visible.agent_id)
$$;
comment on function private.is_agent_visible(uuid) is
  'Whether the caller may know of an agent: it is listed or public, or they can read it. For functions.';

create function private.require_visible_agent(agent_id uuid) returns void
language plpgsql stable security definer
set search_path = ''
as $$
begin
  if not private.is_agent_visible(require_visible_agent.agent_id) then
    raise sqlstate 'PT404' using
      message = 'There is no such agent.',
      detail = 'agent_not_found',
      hint = 'It may be deleted, or not listed any more.';
  end if;
end
$$;
comment on function private.require_visible_agent(uuid) is
  'Raises agent_not_found for agents of which the caller may not know.';

create function private.tg_check_agent() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Operators and workers come without a user.
  if auth.uid() is not null then
    perform private.require_visible_agent(new.agent_id);
  end if;
  return new;
end
$$;
comment on function private.tg_check_agent() is
  'Before insert: the writer may know of the agent (a plain key cannot say so).';

create function private.record_agent_event(agent_id uuid, event_type text, metadata jsonb)
returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_ip inet := private.client_ip();
begin
  perform private.require_scope('catalog:write');
  if event_type is null or event_type not in ('view', 'share') then
    raise sqlstate 'PT400' using
      message = 'Only views and shares are reported; the rest counts by itself.',
      detail = 'event_type_refused',
      hint = 'Send view or share.';
  end if;
  perform private.require_visible_agent(record_agent_event.agent_id);

  insert into private.recent_agent_events as r (caller, agent_id, event_type)
  values (
    coalesce(auth.uid()::text, host(v_ip), 'nobody'),
    record_agent_event.agent_id, record_agent_event.event_type)
  on conflict on constraint recent_agent_events_pkey do update
  set counted_at = now()
  where r.counted_at < now() - interval '1 hour';
  if found then
    perform private.log_agent_event(
      record_agent_event.agent_id, record_agent_event.event_type, auth.uid(),
      coalesce(record_agent_event.metadata, '{}'), v_ip);
  end if;
end
$$;
grant execute on function private.record_agent_event(uuid, text, jsonb) to anon, authenticated;

create function public.record_agent_event(agent_id uuid, event_type text, metadata jsonb default '{}')
returns void
language sql volatile
set search_path = ''
as $$
  select private.record_agent_event(agent_id, event_type, metadata)
$$;
comment on function public.record_agent_event(uuid, text, jsonb) is
  E'Reports that somebody viewed or shared an agent.\nevent_type is view or share; counted once an hour for each caller and agent, and not for the agent''s own organization. metadata is an object of at most 4 kB. Errors: event_type_refused, agent_not_found.';
grant execute on function public.record_agent_event(uuid, text, jsonb) to anon, authenticated;

create function private.refresh_trending() returns integer
language plpgsql volatile
set search_path = ''
set work_mem = '64MB'
as $$
declare
  v_refreshed integer;
begin
  -- One person counts once a day for each kind of event: repeating it lifts nothing. A week halves what
  -- an event weighs, and after eight nothing is left to round to.
  with weights (event_type, weight) as (
    values ('use', 1.0::float8), ('view', 0.1), ('share', 3), ('install', 5), ('fork', 4),
      ('favorite', 2)
  ), people as (
    select e.agent_id, e.event_type, e.created_at::date as day
    from public.agent_events as e
    where e.id >= private.uuid_v7_floor(now() - interval '56 days')
    group by e.agent_id, e.event_type, day, e.user_id, e.ip_address
  ), days as (
    select p.agent_id, p.event_type, p.day, count(*) as people
    from people as p
    group by p.agent_id, p.event_type, p.day
  ), scores as (
    select d.agent_id,
      -- In floating point: numeric powers take a hundred times as long.
      round(sum(d.people * w.weight * power(0.5::float8, (now()::date - d.day) / 7.0))::numeric, 2)
        as score
    from days as d
      join weights as w on w.event_type = d.event_type
    group by d.agent_id
  ), changed as (
    select l.id, coalesce(s.score, 0) as score
    from public.marketplace_listings as l
      left join scores as s on s.agent_id = l.agent_id
    where l.is_live
      -- A twentieth is no news; writing a row changes all of its indexes.
      and abs(l.trending_score - coalesce(s.score, 0))
        > 0.05 * greatest(l.trending_score, coalesce(s.score, 0))
    -- Locked in order, as by everybody who changes several.
    order by l.id
    for no key update of l
  )
  update public.marketplace_listings as l
  set trending_score = c.score
  from changed as c
  where l.id = c.id;
  get diagnostics v_refreshed = row_count;
  return v_refreshed;
end
$$;
comment on function private.refresh_trending() is
  'Upkeep: every live listing''s trending_score as of now; answers with how many changed. Stored, because a rank with now() in it would move between two pages.';
insert into private.upkeep_tasks (name, task, every)
values ('refresh trending', 'private.refresh_trending()', interval '1 hour');

create function private.tg_profiles__forget_in_catalog() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from public.favorites as f where f.user_id = new.id;
  delete from public.collections as c where c.user_id = new.id;
  update public.agent_events as e set user_id = null, ip_address = null where e.user_id = new.id;
  return null;
end
$$;
comment on function private.tg_profiles__forget_in_catalog() is
  'After an account is gone: its favorites and collections go, events forget who it was. Reviews stay, by a deleted account.';
create trigger _300_forget_in_catalog after update of deleted_at on public.profiles
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_profiles__forget_in_catalog();

-- ---------------------------------------------------------------------------------------------------
-- purchases: an organization's right to a listing that has a price. An admin begins one, payment
-- completes it (the operator's server, with the payment provider's word); refunds end the install.
-- ---------------------------------------------------------------------------------------------------
create table public.purchases (
  id uuid primary key default private.uuid_v7(),
  listing_id uuid references public.marketplace_listings (id) on delete set null,
  organization_id uuid not null references public.organizations (id) on delete cascade,
  bought_by_id uuid default auth.uid() references public.profiles (id) on delete set null,
  status text not null default 'pending'
    constraint status_is_known check (
      status in ('pending', 'paid', 'failed', 'cancelled', 'refunded')),
  amount_usd numeric(10, 2) not null
    constraint amount_is_not_negative check (amount_usd >= 0),
  stripe_reference text
    constraint stripe_references_are_unique unique,
  paid_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.purchases enable row level security;

-- An organization's purchases, newest first.
create index purchases_organization_id_idx on public.purchases (organization_id, id desc);
-- Whether an organization has bought a listing; one that it has, or that waits for payment, is enough.
create unique index a_listing_is_bought_once on public.purchases (listing_id, organization_id)
  where status in ('pending', 'paid');
create index purchases_listing_id_idx on public.purchases (listing_id) where listing_id is not null;
create index purchases_bought_by_id_idx on public.purchases (bought_by_id)
  where bought_by_id is not null;

create function private.tg_purchases__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  select l.price_usd into new.amount_usd
  from public.marketplace_listings as l
  where l.id = new.listing_id and l.is_live and l.price_usd is not null;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such listing to buy.',
      detail = 'listing_not_found',
      hint = 'It may be free, or not listed any more.';
  end if;
  return new;
end
$$;
comment on function private.tg_purchases__begin() is
  'Before insert: the price is the listing''s of this moment.';
create trigger _100_begin before insert on public.purchases
  for each row execute function private.tg_purchases__begin();

create function private.tg_purchases__state() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if (old.status, new.status) not in (
    ('pending', 'paid'), ('pending', 'failed'), ('pending', 'cancelled'),
    ('failed', 'pending'), ('failed', 'paid'), ('paid', 'refunded'), ('paid', 'cancelled'))
  then
    raise sqlstate 'PT409' using
      message = format('A purchase that is %s cannot become %s.', old.status, new.status),
      detail = 'purchase_state_conflict',
      hint = 'Begin a new one.';
  end if;
  if new.status = 'paid' then
    new.paid_at := now();
  end if;
  return new;
end
$$;
comment on function private.tg_purchases__state() is
  'Before update of status: paid is followed by refunded or cancelled (a subscription that ended) alone.';
create trigger _200_state before update of status on public.purchases
  for each row when (old.status <> new.status) execute function private.tg_purchases__state();
create trigger _300_set_updated_at before update on public.purchases
  for each row execute function private.tg_set_updated_at();

create function private.tg_purchases__end_install() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.marketplace_installs as i
  set uninstalled_at = now()
  where i.listing_id = new.listing_id
    and i.organization_id = new.organization_id
    and i.uninstalled_at is null;
  if found then
    perform private.notify_admins(new.organization_id, 'install.ended', jsonb_build_object(
      'listing_id', new.listing_id, 'purchase_id', new.id, 'status', new.status));
  end if;
  return null;
end
$$;
comment on function private.tg_purchases__end_install() is
  'After a refund or the end of a subscription: what was bought is uninstalled, with notice.';
create trigger _400_end_install after update of status on public.purchases
  for each row when (old.status = 'paid' and new.status <> 'paid')
  execute function private.tg_purchases__end_install();

-- NOTE: admins begin a purchase; its status is the payment's.
grant select on public.purchases to authenticated;
grant insert (listing_id, organization_id) on public.purchases to authenticated;

create policy purchases_select_admin on public.purchases
  for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy purchases_insert_admin on public.purchases
  for insert to authenticated
  with check (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy purchases_select_scope on public.purchases as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));
create policy purchases_insert_scope on public.purchases as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));

comment on table public.purchases is
  E'What an organization bought.\nAdmins begin one by listing and organization; the amount is the listing''s price of that moment. Once it is paid, install_listing() installs. No API key.';
comment on column public.purchases.stripe_reference is 'The payment at Stripe that it stands for.';

-- ---------------------------------------------------------------------------------------------------
-- marketplace_installs: an organization's copy of a listing's agent. An end is final; installing again
-- makes another copy.
-- ---------------------------------------------------------------------------------------------------
create table public.marketplace_installs (
  id uuid primary key default private.uuid_v7(),
  -- Null once the publisher purged the agent: the copy goes on by itself.
  listing_id uuid references public.marketplace_listings (id) on delete set null,
  organization_id uuid not null references public.organizations (id) on delete cascade,
  installed_by_id uuid references public.profiles (id) on delete set null,
  cloned_agent_id uuid,
  agent_version_id uuid references public.agent_versions (id) on delete set null,
  installed_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  uninstalled_at timestamptz,
  -- Whether it counts for the listing, decided by the trigger below when it begins.
  is_counted boolean not null default true,
  foreign key (cloned_agent_id, organization_id)
    references public.agents (id, organization_id) on delete set null (cloned_agent_id)
);
alter table public.marketplace_installs enable row level security;

-- An organization's installs, newest first.
create index marketplace_installs_organization_id_idx
  on public.marketplace_installs (organization_id, id desc);
create unique index a_listing_is_installed_once
  on public.marketplace_installs (listing_id, organization_id)
  where uninstalled_at is null;
-- Who has it, and who ever had it.
create index marketplace_installs_listing_id_idx
  on public.marketplace_installs (listing_id, organization_id)
  where listing_id is not null;
-- Of what an agent is the copy: asked by every run.
create unique index an_agent_is_the_copy_of_one_listing
  on public.marketplace_installs (cloned_agent_id)
  where cloned_agent_id is not null;
create index marketplace_installs_agent_version_id_idx
  on public.marketplace_installs (agent_version_id)
  where agent_version_id is not null;
create index marketplace_installs_installed_by_id_idx on public.marketplace_installs (installed_by_id)
  where installed_by_id is not null;

create function private.tg_marketplace_installs__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.is_counted := not exists (
    select
    from public.marketplace_listings as l
    where l.id = new.listing_id
      and private.is_member_of_publisher(new.installed_by_id, l.agent_id));
  return new;
end
$$;
comment on function private.tg_marketplace_installs__begin() is
  'Before insert: what the publisher''s own people install, in whichever organization, does not count.';
create trigger _050_begin before insert on public.marketplace_installs
  for each row execute function private.tg_marketplace_installs__begin();

create function private.tg_marketplace_installs__final() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise sqlstate 'PT409' using
    message = 'This install has ended.',
    detail = 'install_ended',
    hint = 'Install the listing again.';
end
$$;
comment on function private.tg_marketplace_installs__final() is
  'Before update: what was uninstalled stays so.';
create trigger _100_final before update of uninstalled_at, agent_version_id
  on public.marketplace_installs
  for each row when (
    old.uninstalled_at is not null
    and (new.uninstalled_at is null or new.agent_version_id <> old.agent_version_id))
  execute function private.tg_marketplace_installs__final();
create trigger _200_set_updated_at before update on public.marketplace_installs
  for each row execute function private.tg_set_updated_at();

create function private.tg_marketplace_installs__count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_agent_id uuid := (
    select l.agent_id from public.marketplace_listings as l
    where l.id = case tg_op when 'INSERT' then new.listing_id else old.listing_id end);
  v_is_counted boolean := case tg_op when 'INSERT' then new.is_counted else old.is_counted end;
begin
  -- A listing that is gone took its agent's counters along.
  if v_agent_id is not null and v_is_counted then
    perform private.add_agent_delta(
      v_agent_id, 'install_count', case tg_op when 'INSERT' then 1 else -1 end);
  end if;
  if tg_op = 'INSERT' then
    perform private.log_agent_event(v_agent_id, 'install', new.installed_by_id);
    update public.agent_reviews as r
    set is_verified_install = true
    where r.agent_id = v_agent_id and r.organization_id = new.organization_id;
  elsif tg_op = 'UPDATE' then
    update public.agents as a
    set status = 'archived'
    where a.id = new.cloned_agent_id and a.status <> 'archived';
  end if;
  return null;
end
$$;
comment on function private.tg_marketplace_installs__count() is
  'After an install begins or ends: it counts or no longer does, reviews by its organization are verified, and the copy of one that ends is archived.';
create trigger _300_count_on_insert after insert on public.marketplace_installs
  for each row when (new.uninstalled_at is null)
  execute function private.tg_marketplace_installs__count();
create trigger _310_count_on_end after update of uninstalled_at on public.marketplace_installs
  for each row when (old.uninstalled_at is null and new.uninstalled_at is not null)
  execute function private.tg_marketplace_installs__count();
create trigger _320_count_on_delete after delete on public.marketplace_installs
  for each row when (old.uninstalled_at is null)
  execute function private.tg_marketplace_installs__count();

-- NOTE: written by install_listing(), update_install() and uninstall_listing().
grant select on public.marketplace_installs to authenticated;

create policy marketplace_installs_select_viewer on public.marketplace_installs
  for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('viewer'))));
create policy marketplace_installs_select_scope on public.marketplace_installs as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));

comment on table public.marketplace_installs is
  E'What an organization installed.\nThe copy is an agent of its own, which it may configure; update_install() moves it to the live version. Members read; admins install.';
comment on column public.marketplace_installs.is_counted is
  'Whether it counts for the listing: what members of its publisher install does not.';
comment on column public.marketplace_installs.cloned_agent_id is 'The organization''s own copy.';
comment on column public.marketplace_installs.agent_version_id is
  'The publisher''s version that the copy was made of last.';

create function private.lock_install_of(agent_id uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform from public.marketplace_installs as i
  where i.cloned_agent_id = lock_install_of.agent_id
  for no key update;
end
$$;
comment on function private.lock_install_of(uuid) is
  'Holds the install that an agent is the copy of: always before the copy, so that nobody deadlocks.';

create function private.tg_agents__end_install() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.marketplace_installs as i
  set uninstalled_at = now()
  where i.cloned_agent_id = new.id
    and i.uninstalled_at is null
    -- What goes with its organization comes back with it.
    and exists (
      select from public.organizations as o where o.id = new.organization_id and o.deleted_at is null);
  return null;
end
$$;
comment on function private.tg_agents__end_install() is
  'After a copy was deleted, but not with its organization: its install ends.';
create trigger _730_end_install after update of deleted_at on public.agents
  for each row when (old.deleted_at is null and new.deleted_at is not null and not new.is_custom)
  execute function private.tg_agents__end_install();

create function private.tg_agents__stay_uninstalled() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if exists (
    select from public.marketplace_installs as i
    where i.cloned_agent_id = new.id and i.uninstalled_at is not null
  ) then
    raise sqlstate 'PT409' using
      message = 'The listing that this agent came from is uninstalled.',
      detail = 'install_ended',
      hint = 'Install the listing again.';
  end if;
  return new;
end
$$;
comment on function private.tg_agents__stay_uninstalled() is
  'Before a copy leaves the archive: only while it is installed.';
create trigger _450_stay_uninstalled before update of status on public.agents
  for each row when (old.status = 'archived' and new.status <> 'archived' and not new.is_custom)
  execute function private.tg_agents__stay_uninstalled();

create function private.credited_agent_id(agent_id uuid, user_id uuid) returns uuid
language sql stable
set search_path = ''
as $$
  select o.agent_id
  from (select coalesce(
    (select l.agent_id
     from public.marketplace_installs as i
       join public.marketplace_listings as l on l.id = i.listing_id
     where i.cloned_agent_id = credited_agent_id.agent_id),
    credited_agent_id.agent_id) as agent_id) as o
  where not private.is_member_of_publisher(credited_agent_id.user_id, o.agent_id)
$$;
comment on function private.credited_agent_id(uuid, uuid) is
  'The agent that a run by this person counts for: an installed copy''s original, else the agent itself; null for people of the organization that makes it.';

-- ---------------------------------------------------------------------------------------------------
-- agent_reviews: one per person and agent. Refused: reviews of one's own organization's agents. Hidden
-- ones do not count.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_reviews (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null references public.agents (id) on delete cascade,
  user_id uuid not null default auth.uid() references public.profiles (id),
  organization_id uuid references public.organizations (id) on delete set null,
  rating smallint not null
    constraint rating_is_one_to_five check (rating between 1 and 5),
  title text not null default ''
    constraint title_is_at_most_120_characters check (char_length(title) <= 120),
  body text not null default ''
    constraint body_is_at_most_5000_characters check (char_length(body) <= 5000),
  is_verified_install boolean not null default false,
  is_hidden boolean not null default false,
  author_reply text
    constraint author_reply_is_1_to_5000_characters check (
      char_length(author_reply) between 1 and 5000),
  author_replied_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint a_reply_has_a_date check ((author_reply is null) = (author_replied_at is null)),
  constraint one_review_per_person_and_agent unique (user_id, agent_id)
);
alter table public.agent_reviews enable row level security;

-- An agent's reviews, newest first.
create index agent_reviews_agent_id_idx on public.agent_reviews (agent_id, id desc);
create index agent_reviews_organization_id_idx on public.agent_reviews (organization_id)
  where organization_id is not null;

create function private.lock_installation(organization_id uuid, agent_id uuid) returns void
language sql volatile
set search_path = ''
as $$
  select pg_advisory_xact_lock(hashtextextended(
    'install ' || lock_installation.organization_id || lock_installation.agent_id, 0))
$$;
comment on function private.lock_installation(uuid, uuid) is
  'Whoever installs or reviews an agent for an organization goes one after another, so that neither misses the other.';

create function private.tg_agent_reviews__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Left out, it is the organization that has it installed, or one's personal one.
  new.organization_id := coalesce(new.organization_id, (
    select m.organization_id
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
      left join public.marketplace_listings as l on l.agent_id = new.agent_id
      left join public.marketplace_installs as i
        on i.listing_id = l.id and i.organization_id = m.organization_id
    where m.user_id = new.user_id and o.deleted_at is null
    order by i.id is null, not o.is_personal, m.organization_id
    limit 1));
  if private.is_member_of_publisher(new.user_id, new.agent_id)
    or exists (
      select from public.agents as a
      where a.id = new.agent_id and a.organization_id = new.organization_id)
  then
    raise sqlstate 'PT403' using
      message = 'Nobody reviews an agent of their own organization.',
      detail = 'own_agent',
      hint = 'Leave it to those who use it.';
  end if;
  perform private.lock_installation(new.organization_id, new.agent_id);
  new.is_verified_install := exists (
    select
    from public.marketplace_installs as i
      join public.marketplace_listings as l on l.id = i.listing_id
    where l.agent_id = new.agent_id and i.organization_id = new.organization_id);
  return new;
end
$$;
comment on function private.tg_agent_reviews__begin() is
  'Before insert: not of one''s own organization''s agent; verified when the reviewer''s organization ever installed it.';
create trigger _100_check_agent before insert on public.agent_reviews
  for each row execute function private.tg_check_agent();
create trigger _110_begin before insert on public.agent_reviews
  for each row execute function private.tg_agent_reviews__begin();

create function private.tg_agent_reviews__guard() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Only direct writes of API callers run as `authenticated`; operators and definer functions pass.
  if current_user <> 'authenticated' then
    return new;
  end if;
  if new.is_hidden <> old.is_hidden and not private.is_superuser() then
    raise sqlstate 'PT403' using
      message = 'Only moderators hide reviews.',
      detail = 'moderators_only',
      hint = 'Report the review.';
  end if;
  if old.user_id <> auth.uid()
    and (new.rating, new.title, new.body) is distinct from (old.rating, old.title, old.body)
  then
    raise sqlstate 'PT403' using
      message = 'Nobody changes somebody else''s words.',
      detail = 'not_allowed',
      hint = 'Hide the review.';
  end if;
  return new;
end
$$;
comment on function private.tg_agent_reviews__guard() is
  'Before update: authors write, moderators hide, neither does the other''s (a policy cannot tell columns apart).';
create trigger _200_guard before update of rating, title, body, is_hidden on public.agent_reviews
  for each row execute function private.tg_agent_reviews__guard();
create trigger _300_set_updated_at before update of rating, title, body on public.agent_reviews
  for each row execute function private.tg_set_updated_at();

create function private.tg_agent_reviews__count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_count integer := 0;
  v_sum integer := 0;
  v_verified integer := 0;
begin
  if tg_op <> 'INSERT' and not old.is_hidden then
    v_count := -1;
    v_sum := -old.rating;
    v_verified := -old.is_verified_install::integer;
  end if;
  if tg_op <> 'DELETE' and not new.is_hidden then
    v_count := v_count + 1;
    v_sum := v_sum + new.rating;
    v_verified := v_verified + new.is_verified_install::integer;
  end if;
  perform private.add_agent_delta(coalesce(new.agent_id, old.agent_id), d.counter, d.delta)
  from (values
    ('rating_count', v_count), ('rating_sum', v_sum), ('verified_rating_count', v_verified)
  ) as d (counter, delta)
  where d.delta <> 0;
  return null;
end
$$;
comment on function private.tg_agent_reviews__count() is
  'After any change: what a review counts now instead of what it counted before.';
create trigger _400_count
  after insert or delete or update of rating, is_hidden, is_verified_install on public.agent_reviews
  for each row execute function private.tg_agent_reviews__count();

create function private.tg_agent_reviews__notify() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_payload jsonb := jsonb_build_object('review_id', new.id, 'agent_id', new.agent_id);
begin
  if tg_op = 'INSERT' then
    perform private.notify_admins(
      a.organization_id, 'review.created',
      v_payload || jsonb_build_object('rating', new.rating, 'name', a.name))
    from public.agents as a
    where a.id = new.agent_id;
  elsif new.is_hidden and not old.is_hidden then
    perform private.notify_user(new.user_id, 'review.hidden', v_payload);
  elsif new.author_reply is distinct from old.author_reply and new.author_reply is not null then
    perform private.notify_user(new.user_id, 'review.replied', v_payload);
  end if;
  return null;
end
$$;
comment on function private.tg_agent_reviews__notify() is
  'After insert or update: the publisher hears of reviews, authors of replies and of moderation.';
create trigger _500_notify after insert or update of is_hidden, author_reply on public.agent_reviews
  for each row execute function private.tg_agent_reviews__notify();

-- NOTE: is_hidden is the moderators', see the guard; replies come from reply_to_review().
grant select on public.agent_reviews to anon, authenticated;
grant insert (agent_id, organization_id, rating, title, body) on public.agent_reviews
  to authenticated;
grant update (rating, title, body, is_hidden) on public.agent_reviews to authenticated;
grant delete on public.agent_reviews to authenticated;

create policy agent_reviews_select_visible on public.agent_reviews
  for select to anon
  using (not is_hidden);
create policy agent_reviews_select_reader on public.agent_reviews
  for select to authenticated
  using (
    not is_hidden
    or user_id = (select auth.uid())
    or (select private.is_superuser())
  );
create policy agent_reviews_insert_own on public.agent_reviews
  for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and organization_id = any (array(select private.my_organization_ids('viewer')))
  );
create policy agent_reviews_update_own on public.agent_reviews
  for update to authenticated
  using (user_id = (select auth.uid()) or (select private.is_superuser()))
  with check (user_id = (select auth.uid()) or (select private.is_superuser()));
-- What was hidden stays, or its author would write it anew, for everybody to see.
create policy agent_reviews_delete_own on public.agent_reviews
  for delete to authenticated
  using (user_id = (select auth.uid()) and not is_hidden);
create policy agent_reviews_select_scope on public.agent_reviews as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy agent_reviews_insert_scope on public.agent_reviews as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));
create policy agent_reviews_update_scope on public.agent_reviews as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));
create policy agent_reviews_delete_scope on public.agent_reviews as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.agent_reviews is
  E'Reviews.\nOne per person and agent; anyone reads those that are not hidden. Write, change and delete your own, of agents that are listed or that you can read, and not of your own organization. No API key.';
comment on column public.agent_reviews.organization_id is
  'The reviewer''s; left out, the one that has the agent installed, or the personal one.';
comment on column public.agent_reviews.is_verified_install is
  'Whether the reviewer''s organization ever installed the agent.';
comment on column public.agent_reviews.is_hidden is
  'By a moderator; hidden reviews do not count, and their authors do not delete them.';
comment on column public.agent_reviews.author_reply is 'The publisher''s answer.';

create function private.reply_to_review(review_id uuid, reply text) returns public.agent_reviews
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_reply text := nullif(btrim(reply_to_review.reply), '');
  v_review public.agent_reviews;
begin
  perform private.require_user();
  perform private.require_scope('catalog:write');
  select * into v_review
  from public.agent_reviews as r
  where r.id = reply_to_review.review_id and not r.is_hidden;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such review.',
      detail = 'review_not_found',
      hint = 'It may be deleted or hidden.';
  end if;
  if not exists (
    select from public.agents as a
    where a.id = v_review.agent_id and private.my_role(a.organization_id) >= 'admin'
  ) then
    raise sqlstate 'PT403' using
      message = 'Only admins of the agent''s organization reply to its reviews.',
      detail = 'not_allowed',
      hint = 'Ask an admin or owner of the organization.';
  end if;
  update public.agent_reviews as r
  set author_reply = v_reply,
    author_replied_at = case when v_reply is not null then now() end
  where r.id = v_review.id
  returning * into v_review;
  return v_review;
end
$$;
grant execute on function private.reply_to_review(uuid, text) to authenticated;

create function public.reply_to_review(review_id uuid, reply text) returns public.agent_reviews
language sql volatile
set search_path = ''
as $$
  select private.reply_to_review(review_id, reply)
$$;
comment on function public.reply_to_review(uuid, text) is
  E'The publisher''s answer to a review, shown below it.\nAdmins of the agent''s organization; an empty reply takes it back. Errors: review_not_found, not_allowed.';
grant execute on function public.reply_to_review(uuid, text) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- review_reports: "this review is abuse". A moderator who upholds one hides the review.
-- ---------------------------------------------------------------------------------------------------
create table public.review_reports (
  id uuid primary key default private.uuid_v7(),
  review_id uuid not null references public.agent_reviews (id) on delete cascade,
  user_id uuid not null default auth.uid() references public.profiles (id),
  reason text not null
    constraint reason_is_1_to_2000_characters check (char_length(reason) between 1 and 2000),
  status text not null default 'open'
    constraint status_is_known check (status in ('open', 'upheld', 'dismissed')),
  decided_by_id uuid references public.profiles (id) on delete set null,
  decided_at timestamptz,
  created_at timestamptz not null default now(),
  constraint what_is_decided_has_a_date check ((status = 'open') = (decided_at is null)),
  constraint one_report_per_person_and_review unique (user_id, review_id)
);
alter table public.review_reports enable row level security;

-- The moderators' queue, oldest first.
create index review_reports_queue_idx on public.review_reports (id) where status = 'open';
create index review_reports_review_id_idx on public.review_reports (review_id);
create index review_reports_decided_by_id_idx on public.review_reports (decided_by_id)
  where decided_by_id is not null;

create function private.tg_review_reports__decide() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.decided_at := case when new.status <> 'open' then now() end;
  new.decided_by_id := case
    when new.status <> 'open' then coalesce(auth.uid(), new.decided_by_id)
  end;
  if new.status = 'upheld' then
    update public.agent_reviews as r
    set is_hidden = true
    where r.id = new.review_id and not r.is_hidden;
  end if;
  return new;
end
$$;
comment on function private.tg_review_reports__decide() is
  'Before update of status: who decided and when; upheld hides the review.';
create trigger _100_decide before update of status on public.review_reports
  for each row when (old.status <> new.status)
  execute function private.tg_review_reports__decide();

grant select on public.review_reports to authenticated;
grant insert (review_id, reason) on public.review_reports to authenticated;
grant update (status) on public.review_reports to authenticated;

create policy review_reports_select_own on public.review_reports
  for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_superuser()));
create policy review_reports_insert_own on public.review_reports
  for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and exists (select 1 from public.agent_reviews as r where r.id = review_reports.review_id)
  );
create policy review_reports_update_moderator on public.review_reports
  for update to authenticated
  using ((select private.is_superuser()))
  with check ((select private.is_superuser()));
create policy review_reports_select_scope on public.review_reports as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));
create policy review_reports_insert_scope on public.review_reports as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));
create policy review_reports_update_scope on public.review_reports as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));

comment on table public.review_reports is
  E'Reports of abuse.\nReport a review once, with a reason. Moderators decide by status: upheld hides the review, dismissed leaves it. No API key.';

-- ---------------------------------------------------------------------------------------------------
-- favorites: bookmarks.
-- ---------------------------------------------------------------------------------------------------
create table public.favorites (
  user_id uuid not null default auth.uid() references public.profiles (id),
  agent_id uuid not null references public.agents (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, agent_id)
);
alter table public.favorites enable row level security;

create index favorites_agent_id_idx on public.favorites (agent_id);

create trigger _100_check_agent before insert on public.favorites
  for each row execute function private.tg_check_agent();

create function private.tg_favorites__count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    perform private.add_agent_delta(new.agent_id, 'favorite_count', 1);
    perform private.log_agent_event(new.agent_id, 'favorite', new.user_id);
  else
    perform private.add_agent_delta(old.agent_id, 'favorite_count', -1);
  end if;
  return null;
end
$$;
comment on function private.tg_favorites__count() is 'After insert or delete: favorites count.';
create trigger _200_count after insert or delete on public.favorites
  for each row execute function private.tg_favorites__count();

grant select, delete on public.favorites to authenticated;
grant insert (agent_id) on public.favorites to authenticated;

create policy favorites_select_own on public.favorites
  for select to authenticated
  using (user_id = (select auth.uid()));
create policy favorites_insert_own on public.favorites
  for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy favorites_delete_own on public.favorites
  for delete to authenticated
  using (user_id = (select auth.uid()));
create policy favorites_select_scope on public.favorites as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));
create policy favorites_insert_scope on public.favorites as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));
create policy favorites_delete_scope on public.favorites as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.favorites is
  E'Your bookmarks of agents.\nRows are inserted and deleted, never changed. No API key.';

-- ---------------------------------------------------------------------------------------------------
-- collections, collection_items: playlists of agents, private unless their owner says otherwise.
-- ---------------------------------------------------------------------------------------------------
create table public.collections (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null default auth.uid() references public.profiles (id),
  name text not null
    constraint name_is_1_to_120_characters check (
      char_length(name) between 1 and 120 and name ~ '\S'),
  description text not null default ''
    constraint description_is_at_most_2000_characters check (char_length(description) <= 2000),
  is_public boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.collections enable row level security;

-- One's own, and a person's public ones, newest first.
create index collections_user_id_idx on public.collections (user_id, id desc);
create index collections_public_idx on public.collections (id desc) where is_public;

create trigger _100_set_updated_at before update on public.collections
  for each row execute function private.tg_set_updated_at();

grant select on public.collections to anon, authenticated;
grant insert (name, description, is_public) on public.collections to authenticated;
grant update (name, description, is_public) on public.collections to authenticated;
grant delete on public.collections to authenticated;

create policy collections_select_public on public.collections
  for select to anon
  using (is_public);
create policy collections_select_reader on public.collections
  for select to authenticated
  using (
    (is_public and (select private.has_scope('catalog:read')))
    or (user_id = (select auth.uid()) and (select private.has_scope('personal')))
  );
create policy collections_insert_own on public.collections
  for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy collections_update_own on public.collections
  for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy collections_delete_own on public.collections
  for delete to authenticated
  using (user_id = (select auth.uid()));
create policy collections_select_scope on public.collections as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy collections_insert_scope on public.collections as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));
create policy collections_update_scope on public.collections as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));
create policy collections_delete_scope on public.collections as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.collections is
  E'Lists of agents under a name.\nYours, and other people''s public ones. API keys read public ones only.';

create table public.collection_items (
  collection_id uuid not null references public.collections (id) on delete cascade,
  agent_id uuid not null references public.agents (id) on delete cascade,
  display_order integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (collection_id, agent_id)
);
alter table public.collection_items enable row level security;

create index collection_items_agent_id_idx on public.collection_items (agent_id);

create trigger _100_check_agent before insert on public.collection_items
  for each row execute function private.tg_check_agent();

grant select on public.collection_items to anon, authenticated;
grant insert (collection_id, agent_id, display_order) on public.collection_items to authenticated;
grant update (display_order) on public.collection_items to authenticated;
grant delete on public.collection_items to authenticated;

create policy collection_items_select_public on public.collection_items
  for select to anon
  using (exists (
    select 1 from public.collections as c where c.id = collection_items.collection_id));
create policy collection_items_select_reader on public.collection_items
  for select to authenticated
  using (exists (
    select 1 from public.collections as c where c.id = collection_items.collection_id));
create policy collection_items_insert_own on public.collection_items
  for insert to authenticated
  with check (exists (
    select 1 from public.collections as c
    where c.id = collection_items.collection_id and c.user_id = (select auth.uid())));
create policy collection_items_update_own on public.collection_items
  for update to authenticated
  using (exists (
    select 1 from public.collections as c
    where c.id = collection_items.collection_id and c.user_id = (select auth.uid())))
  with check (exists (
    select 1 from public.collections as c
    where c.id = collection_items.collection_id and c.user_id = (select auth.uid())));
create policy collection_items_delete_own on public.collection_items
  for delete to authenticated
  using (exists (
    select 1 from public.collections as c
    where c.id = collection_items.collection_id and c.user_id = (select auth.uid())));
create policy collection_items_select_scope on public.collection_items as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));
create policy collection_items_insert_scope on public.collection_items as restrictive
  for insert to authenticated
  with check ((select private.has_scope('personal')));
create policy collection_items_update_scope on public.collection_items as restrictive
  for update to authenticated
  using ((select private.has_scope('personal')));
create policy collection_items_delete_scope on public.collection_items as restrictive
  for delete to authenticated
  using ((select private.has_scope('personal')));

comment on table public.collection_items is
  E'The agents of a collection, by display_order.\nThose that are listed, or that its owner can read.';

-- ---------------------------------------------------------------------------------------------------
-- What of an agent everyone sees: the tags and counts of listed ones beside those that one can read
-- ---------------------------------------------------------------------------------------------------
create policy agent_tags_select_public on public.agent_tags
  for select to anon
  using (
    exists (select 1 from public.agents as a where a.id = agent_tags.agent_id)
    or exists (
      select 1 from public.marketplace_listings as l
      where l.agent_id = agent_tags.agent_id and l.is_live)
  );
create policy agent_tags_select_reader on public.agent_tags
  for select to authenticated
  using (
    exists (select 1 from public.agents as a where a.id = agent_tags.agent_id)
    or exists (
      select 1 from public.marketplace_listings as l
      where l.agent_id = agent_tags.agent_id and l.is_live)
  );

create view public.agent_stats with (security_invoker = true) as
select
  a.agent_id,
  c.total_uses,
  c.view_count,
  c.share_count,
  c.install_count,
  c.fork_count,
  c.favorite_count,
  c.rating_count,
  round(c.rating_sum::numeric / nullif(c.rating_count, 0), 2) as avg_rating
from (
    select a.id as agent_id from public.agents as a
    union
    select l.agent_id from public.marketplace_listings as l where l.is_live
  ) as a
  cross join lateral private.agent_counts(a.agent_id) as c;
grant select on public.agent_stats to anon, authenticated, service_role;
comment on view public.agent_stats is
  E'Counts of every agent that the caller can read or that is listed.\nExact at every moment. avg_rating is null without ratings.';

create function public.stats(agent public.agents) returns setof public.agent_stats
language sql stable rows 1
set search_path = ''
as $$
  select * from public.agent_stats as s where s.agent_id = agent.id
$$;
comment on function public.stats(public.agents) is
  E'Embeds an agent''s counts.\n/agents?select=name,stats(total_uses,avg_rating)';
grant execute on function public.stats(public.agents) to anon, authenticated, service_role;

create function public.stats(listing public.marketplace_listings) returns setof public.agent_stats
language sql stable rows 1
set search_path = ''
as $$
  select * from public.agent_stats as s where s.agent_id = listing.agent_id
$$;
comment on function public.stats(public.marketplace_listings) is
  E'Embeds the counts of a listing''s agent.\n/marketplace_listings?select=title,stats(install_count,avg_rating)';
grant execute on function public.stats(public.marketplace_listings)
  to anon, authenticated, service_role;

create function private.check_agent_counters() returns table (
  counter text,
  id uuid,
  stored bigint,
  counted bigint
)
language sql stable
set search_path = ''
as $$
  with events as (
    select e.agent_id, e.event_type || '_count' as counter, count(*) as count
    from public.agent_events as e
    where e.event_type in ('view', 'share')
    group by e.agent_id, e.event_type
    union all
    select k.agent_id, k.counter::text, k.count
    from private.counter_archive as k
    where k.counter in ('view_count', 'share_count')
  ), counted as (
    select e.agent_id, e.counter, sum(e.count)::bigint as count
    from events as e
    group by e.agent_id, e.counter
    union all
    select l.agent_id, 'install_count', count(*)
    from public.marketplace_installs as i
      join public.marketplace_listings as l on l.id = i.listing_id
    where i.uninstalled_at is null and i.is_counted
    group by l.agent_id
    union all
    select f.agent_id, 'favorite_count', count(*)
    from public.favorites as f
    group by f.agent_id
    union all
    select r.agent_id, v.counter, sum(v.count)
    from public.agent_reviews as r
      cross join lateral (values
        ('rating_count', 1), ('rating_sum', r.rating::integer),
        ('verified_rating_count', r.is_verified_install::integer)
      ) as v (counter, count)
    where not r.is_hidden
    group by r.agent_id, v.counter
  ), stored as (
    select a.id as agent_id, v.counter, v.count
    from public.agents as a
      cross join lateral private.agent_counts(a.id) as c
      cross join lateral (values
        ('view_count', c.view_count), ('share_count', c.share_count),
        ('install_count', c.install_count), ('favorite_count', c.favorite_count),
        ('rating_count', c.rating_count), ('rating_sum', c.rating_sum),
        ('verified_rating_count', c.verified_rating_count)
      ) as v (counter, count)
  )
  select s.counter, s.agent_id, s.count, coalesce(c.count, 0)
  from stored as s
    left join counted as c on c.agent_id = s.agent_id and c.counter = s.counter
  where s.count <> coalesce(c.count, 0)
$$;
comment on function private.check_agent_counters() is 'For private.recount().';

create function private.check_listing_ranks() returns table (
  counter text,
  id uuid,
  stored numeric,
  counted numeric
)
language sql stable
set search_path = ''
as $$
  select v.name, l.id, v.stored, v.counted
  from public.marketplace_listings as l
    left join private.agent_counters as c on c.agent_id = l.agent_id
    cross join lateral (values
      ('listing.rating_sort', l.rating_sort,
        private.rating_sort(coalesce(c.rating_sum, 0), coalesce(c.rating_count, 0))),
      ('listing.average_rating', l.average_rating,
        round(c.rating_sum::numeric / nullif(c.rating_count, 0), 2)),
      ('listing.is_verified', l.is_verified::integer,
        (coalesce(c.verified_rating_count, 0) > 0)::integer),
      ('listing.install_sort', l.install_sort, coalesce(c.install_count, 0))
    ) as v (name, stored, counted)
  where v.stored is distinct from v.counted
$$;
comment on function private.check_listing_ranks() is
  'For private.recount(): what search sorts by agrees with the counters as folded last.';
insert into private.counter_checks (name, check_function)
values
  ('agents', 'private.check_agent_counters()'),
  ('listings', 'private.check_listing_ranks()');

-- ---------------------------------------------------------------------------------------------------
-- Submitting and moderating
-- ---------------------------------------------------------------------------------------------------

create function private.publisher_listing(listing_id uuid) returns public.marketplace_listings
language plpgsql volatile
set search_path = ''
as $$
declare
  v_listing public.marketplace_listings;
begin
  perform private.require_user();
  perform private.require_scope('catalog:write');
  select * into v_listing
  from public.marketplace_listings as l
  where l.id = publisher_listing.listing_id
  for no key update;
  if not found or (not v_listing.is_live and private.my_role(v_listing.organization_id) is null) then
    raise sqlstate 'PT404' using
      message = 'There is no such listing.',
      detail = 'listing_not_found',
      hint = 'Check the id.';
  end if;
  if coalesce(private.my_role(v_listing.organization_id) < 'admin', true) then
    raise sqlstate 'PT403' using
      message = 'Only admins of its organization submit a listing.',
      detail = 'not_allowed',
      hint = 'Ask an admin or owner of the organization.';
  end if;
  return v_listing;
end
$$;
comment on function private.publisher_listing(uuid) is
  'The listing, locked, if the caller is an admin of its organization; else the error that they deserve.';

create function private.submit_listing(listing_id uuid) returns public.listing_revisions
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_listing public.marketplace_listings := private.publisher_listing(submit_listing.listing_id);
  v_revision public.listing_revisions;
begin
  update public.listing_revisions as r
  set status = 'pending_review'
  where r.listing_id = v_listing.id and r.status in ('draft', 'rejected', 'withdrawn')
  returning * into v_revision;
  if not found then
    raise sqlstate 'PT409' using
      message = 'There is no revision to submit.',
      detail = 'nothing_to_submit',
      hint = 'Write one; if one waits for review, withdraw it to change it.';
  end if;
  return v_revision;
end
$$;
grant execute on function private.submit_listing(uuid) to authenticated;

create function public.submit_listing(listing_id uuid) returns public.listing_revisions
language sql volatile
set search_path = ''
as $$
  select private.submit_listing(listing_id)
$$;
comment on function public.submit_listing(uuid) is
  E'Hands the open revision of a listing to the moderators.\nAdmins. It does not change while it waits; what is live stays. Errors: listing_not_found, not_allowed, nothing_to_submit, listing_incomplete, agent_not_published.';
grant execute on function public.submit_listing(uuid) to authenticated;

create function private.withdraw_listing(listing_id uuid) returns public.listing_revisions
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_listing public.marketplace_listings := private.publisher_listing(withdraw_listing.listing_id);
  v_revision public.listing_revisions;
begin
  update public.listing_revisions as r
  set status = 'withdrawn'
  where r.listing_id = v_listing.id and r.status = 'pending_review'
  returning * into v_revision;
  if not found then
    raise sqlstate 'PT409' using
      message = 'No revision of this listing waits for review.',
      detail = 'nothing_to_withdraw',
      hint = 'Load it again: it may be decided. To take a listing off the shelf, set its status to draft.';
  end if;
  return v_revision;
end
$$;
grant execute on function private.withdraw_listing(uuid) to authenticated;

create function public.withdraw_listing(listing_id uuid) returns public.listing_revisions
language sql volatile
set search_path = ''
as $$
  select private.withdraw_listing(listing_id)
$$;
comment on function public.withdraw_listing(uuid) is
  E'Takes the waiting revision of a listing back from the moderators.\nAdmins. It can be changed and submitted again. Errors: listing_not_found, not_allowed, nothing_to_withdraw.';
grant execute on function public.withdraw_listing(uuid) to authenticated;

create function private.require_moderator() returns void
language plpgsql stable
set search_path = ''
as $$
begin
  perform private.require_user();
  perform private.refuse_api_key();
  if not private.is_superuser() then
    raise sqlstate 'PT403' using
      message = 'Only moderators do this.',
      detail = 'moderators_only',
      hint = 'Write to the operator of the platform.';
  end if;
end
$$;
comment on function private.require_moderator() is 'Refuses everyone but superusers.';

create function private.moderated_revision(revision_id uuid) returns public.listing_revisions
language plpgsql stable
set search_path = ''
as $$
declare
  v_revision public.listing_revisions;
begin
  perform private.require_moderator();
  select * into v_revision
  from public.listing_revisions as r
  where r.id = moderated_revision.revision_id;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such revision.',
      detail = 'revision_not_found',
      hint = 'Look at the list of those that wait for review.';
  end if;
  return v_revision;
end
$$;
comment on function private.moderated_revision(uuid) is
  'The revision, for moderators.';

create function private.inspect_revision(revision_id uuid) returns public.agent_versions
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_revision public.listing_revisions := private.moderated_revision(inspect_revision.revision_id);
  v_version public.agent_versions;
begin
  select * into v_version
  from public.agent_versions as v
  where v.id = v_revision.agent_version_id and v_revision.submitted_at is not null;
  return v_version;
end
$$;
grant execute on function private.inspect_revision(uuid) to authenticated;

create function public.inspect_revision(revision_id uuid) returns public.agent_versions
language sql stable
set search_path = ''
as $$
  select private.inspect_revision(revision_id)
$$;
comment on function public.inspect_revision(uuid) is
  E'What a submitted revision would let people install: the version, prompts and tools included.\nModerators. Errors: moderators_only, revision_not_found.';
grant execute on function public.inspect_revision(uuid) to authenticated;

create function private.review_listing(revision_id uuid, approve boolean, notes text)
returns public.listing_revisions
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_revision public.listing_revisions := private.moderated_revision(review_listing.revision_id);
begin
  -- In the order in which publishers lock, who may withdraw it at this moment.
  perform from public.marketplace_listings as l where l.id = v_revision.listing_id for no key update;
  update public.listing_revisions as r
  set status = case when review_listing.approve then 'approved' else 'rejected' end,
    review_notes = nullif(btrim(review_listing.notes), '')
  where r.id = v_revision.id and r.status = 'pending_review'
  returning * into v_revision;
  if not found then
    raise sqlstate 'PT409' using
      message = 'This revision does not wait for review.',
      detail = 'listing_state_conflict',
      hint = 'Load it again: it may be decided or withdrawn.';
  end if;
  return v_revision;
end
$$;
grant execute on function private.review_listing(uuid, boolean, text) to authenticated;

create function public.review_listing(revision_id uuid, approve boolean, notes text default null)
returns public.listing_revisions
language sql volatile
set search_path = ''
as $$
  select private.review_listing(revision_id, approve, notes)
$$;
comment on function public.review_listing(uuid, boolean, text) is
  E'Approves or rejects a revision that waits for review.\nModerators. Approved, it is live at once, unless its publisher took the listing off the shelf; the publisher gets the notes either way. Errors: moderators_only, revision_not_found, listing_state_conflict.';
grant execute on function public.review_listing(uuid, boolean, text) to authenticated;

create function private.moderate_listing(listing_id uuid, status text, notes text)
returns public.marketplace_listings
language plpgsql volatile
set search_path = ''
as $$
declare
  v_listing public.marketplace_listings;
begin
  perform private.require_moderator();
  select * into v_listing
  from public.marketplace_listings as l
  where l.id = moderate_listing.listing_id
  for no key update;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such listing.',
      detail = 'listing_not_found',
      hint = 'Check the id.';
  end if;
  if (v_listing.status = 'suspended') = (moderate_listing.status = 'suspended') then
    raise sqlstate 'PT409' using
      message = format('This listing is %s.', v_listing.status),
      detail = 'listing_state_conflict',
      hint = 'Load it again to see its status.';
  end if;
  update public.marketplace_listings as l
  set status = moderate_listing.status, review_notes = moderate_listing.notes
  where l.id = v_listing.id
  returning * into v_listing;
  return v_listing;
end
$$;
comment on function private.moderate_listing(uuid, text, text) is
  'Suspends or reinstates a listing, for moderators.';

create function private.suspend_listing(listing_id uuid, notes text)
returns public.marketplace_listings
language sql volatile security definer
set search_path = ''
as $$
  select private.moderate_listing(listing_id, 'suspended', nullif(btrim(notes), ''))
$$;
grant execute on function private.suspend_listing(uuid, text) to authenticated;

create function public.suspend_listing(listing_id uuid, notes text)
returns public.marketplace_listings
language sql volatile
set search_path = ''
as $$
  select private.suspend_listing(listing_id, notes)
$$;
comment on function public.suspend_listing(uuid, text) is
  E'Takes a listing out of the catalog until it is reinstated.\nModerators. Its publisher learns why; copies that are installed go on, and their organizations are told. Errors: moderators_only, listing_not_found, listing_state_conflict.';
grant execute on function public.suspend_listing(uuid, text) to authenticated;

create function private.reinstate_listing(listing_id uuid) returns public.marketplace_listings
language sql volatile security definer
set search_path = ''
as $$
  select private.moderate_listing(listing_id, 'listed', null)
$$;
grant execute on function private.reinstate_listing(uuid) to authenticated;

create function public.reinstate_listing(listing_id uuid) returns public.marketplace_listings
language sql volatile
set search_path = ''
as $$
  select private.reinstate_listing(listing_id)
$$;
comment on function public.reinstate_listing(uuid) is
  E'Ends the suspension of a listing: it is listed again, with what was approved last.\nModerators. One that its publisher had taken off the shelf stays off it. Errors: moderators_only, listing_not_found, listing_state_conflict.';
grant execute on function public.reinstate_listing(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Installing
-- ---------------------------------------------------------------------------------------------------

create function private.preset_parameters(parameters jsonb, given jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
  v_name text;
  v_value jsonb;
  v_problem text;
begin
  if jsonb_typeof(coalesce(given, '{}')) <> 'object' then
    raise sqlstate 'PT400' using
      message = 'The parameters are not an object.',
      detail = 'parameter_invalid',
      hint = 'Send {"name": value} for each parameter.';
  end if;
  for v_name, v_value in select * from jsonb_each(given) loop
    select private.parameter_problem(p.definition, v_value) into v_problem
    from jsonb_array_elements(preset_parameters.parameters) as p (definition)
    where p.definition ->> 'name' = v_name;
    if not found then
      raise sqlstate 'PT400' using
        message = format('This agent has no parameter "%s".', v_name),
        detail = 'parameter_unknown',
        hint = 'Leave it out, or check how it is spelled.';
    elsif v_problem is not null then
      raise sqlstate 'PT400' using
        message = format('The parameter "%s" %s.', v_name, v_problem),
        detail = 'parameter_invalid',
        hint = 'Send a value that fits.';
    end if;
  end loop;
  return coalesce((
    select jsonb_agg(
      p.definition || case
        when given ? (p.definition ->> 'name')
          then jsonb_build_object('default_value', given -> (p.definition ->> 'name'))
        else '{}'
      end
      order by p.ordinality)
    from jsonb_array_elements(preset_parameters.parameters) with ordinality as p (definition)
  ), '[]');
end
$$;
comment on function private.preset_parameters(jsonb, jsonb) is
  'A version''s parameters with these values as their defaults; refuses unknown names and values that do not fit.';

create function private.write_clone(
  clone public.agents,
  version public.agent_versions,
  presets jsonb
) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
  v_source public.agents;
  v_latest text;
begin
  select * into v_source from public.agents as a where a.id = version.agent_id;
  update public.agents as a
  set system_prompt = version.system_prompt,
    user_prompt_template = version.user_prompt_template,
    model = version.model,
    temperature = version.temperature,
    max_tokens = version.max_tokens,
    configuration = private.version_configuration(version),
    settings_id = null,
    memory_enabled = version.memory_enabled,
    memory_type = version.memory_type
  where a.id = clone.id;
  perform private.write_agent_definition(
    clone,
    private.agent_document(v_source, version, '{}') || jsonb_build_object(
      'parameters', private.preset_parameters(version.parameters, presets)));
  -- The copy has its publisher's version number, unless its organization went further by itself.
  select v.version into v_latest
  from public.agent_versions as v
  where v.agent_id = clone.id and v.is_published
  order by v.version_number desc
  limit 1;
  -- Without private.require_evaluation(): this version was reviewed, and suites guard what the
  -- organization changes by itself.
  perform private.publish_draft(
    private.draft_version(clone.id),
    case
      when v_latest is null or private.semver_exceeds(version.version, v_latest) then version.version
    end,
    version.changelog, version.revision_name);
end
$$;
comment on function private.write_clone(public.agents, public.agent_versions, jsonb) is
  'Makes an installed copy the publisher''s version with these presets, and publishes it for its organization.';

create function private.require_purchase(
  listing public.marketplace_listings,
  organization_id uuid
) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if listing.pricing_model <> 'free' and not exists (
    select from public.purchases as p
    where p.listing_id = listing.id
      and p.organization_id = require_purchase.organization_id
      and p.status = 'paid'
  ) then
    raise sqlstate 'PT402' using
      message = format('"%s" costs %s US dollars.', listing.title, listing.price_usd),
      detail = 'purchase_required',
      hint = 'Buy it for the organization first.';
  end if;
end
$$;
comment on function private.require_purchase(public.marketplace_listings, uuid) is
  'Refuses an organization that has not paid for what has a price.';

create function private.install_listing(listing_id uuid, organization_id uuid, parameters jsonb)
returns public.marketplace_installs
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_listing public.marketplace_listings;
  v_version public.agent_versions;
  v_clone public.agents;
  v_install public.marketplace_installs;
begin
  perform private.require_scope('catalog:write');
  perform private.require_scope('agents:write');
  perform private.require_role(install_listing.organization_id, 'admin');
  -- Held, so that it is not suspended meanwhile.
  select * into v_listing
  from public.marketplace_listings as l
  where l.id = install_listing.listing_id and l.is_live
  for share;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such listing.',
      detail = 'listing_not_found',
      hint = 'It may not be listed any more.';
  end if;
  if v_listing.organization_id = install_listing.organization_id then
    raise sqlstate 'PT409' using
      message = 'This is the organization''s own listing.',
      detail = 'own_listing',
      hint = 'Run the agent itself.';
  end if;
  perform private.lock_installation(install_listing.organization_id, v_listing.agent_id);
  if exists (
    select from public.marketplace_installs as i
    where i.listing_id = v_listing.id
      and i.organization_id = install_listing.organization_id
      and i.uninstalled_at is null
  ) then
    raise sqlstate 'PT409' using
      message = 'This organization has it installed.',
      detail = 'already_installed',
      hint = 'Use the copy that is there, or update it.';
  end if;
  perform private.require_purchase(v_listing, install_listing.organization_id);

  select v.* into strict v_version
  from public.listing_revisions as r
    join public.agent_versions as v on v.id = r.agent_version_id
  where r.id = v_listing.live_revision_id;
  insert into public.agents (organization_id, created_by_id, name, description, icon, avatar_url,
    category, agent_type, is_custom, visibility)
  select install_listing.organization_id, auth.uid(), v_version.name, s.description, s.icon,
    s.avatar_url, s.category, s.agent_type, false, 'organization'
  from public.agents as s
  where s.id = v_listing.agent_id
  returning * into v_clone;
  perform private.write_clone(v_clone, v_version, install_listing.parameters);
  insert into public.marketplace_installs
    (listing_id, organization_id, installed_by_id, cloned_agent_id, agent_version_id)
  values (v_listing.id, v_clone.organization_id, auth.uid(), v_clone.id, v_version.id)
  returning * into v_install;
  return v_install;
end
$$;
grant execute on function private.install_listing(uuid, uuid, jsonb) to authenticated;

create function public.install_listing(
  listing_id uuid,
  organization_id uuid,
  parameters jsonb default '{}'
) returns public.marketplace_installs
language sql volatile
set search_path = ''
as $$
  select private.install_listing(listing_id, organization_id, parameters)
$$;
comment on function public.install_listing(uuid, uuid, jsonb) is
  E'Installs a listing: the organization gets a copy of its agent, ready to run.\nAdmins. parameters are defaults of its own, {"name": value}. The copy counts for max_agents; its runs count for the listing. Errors: listing_not_found, organization_not_found, not_allowed, own_listing, already_installed, purchase_required, parameter_unknown, parameter_invalid, agent_limit_reached.';
grant execute on function public.install_listing(uuid, uuid, jsonb) to authenticated;

create function private.require_install(install_id uuid) returns public.marketplace_installs
language plpgsql volatile
set search_path = ''
as $$
declare
  v_install public.marketplace_installs;
begin
  perform private.require_user();
  perform private.require_scope('catalog:write');
  perform private.require_scope('agents:write');
  select * into v_install
  from public.marketplace_installs as i
  where i.id = require_install.install_id
    and private.my_role(i.organization_id) is not null
  for no key update;
  if not found then
    raise sqlstate 'PT404' using
      message = 'There is no such install.',
      detail = 'install_not_found',
      hint = 'Look at the organization''s list of installs.';
  end if;
  perform private.require_role(v_install.organization_id, 'admin');
  if v_install.uninstalled_at is not null then
    raise sqlstate 'PT409' using
      message = 'This install has ended.',
      detail = 'install_ended',
      hint = 'Install the listing again.';
  end if;
  return v_install;
end
$$;
comment on function private.require_install(uuid) is
  'The install, locked, if it has not ended and the caller is an admin of its organization.';

create function private.uninstall_listing(install_id uuid) returns public.marketplace_installs
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_install public.marketplace_installs := private.require_install(uninstall_listing.install_id);
begin
  update public.marketplace_installs as i
  set uninstalled_at = now()
  where i.id = v_install.id
  returning * into v_install;
  return v_install;
end
$$;
grant execute on function private.uninstall_listing(uuid) to authenticated;

create function public.uninstall_listing(install_id uuid) returns public.marketplace_installs
language sql volatile
set search_path = ''
as $$
  select private.uninstall_listing(install_id)
$$;
comment on function public.uninstall_listing(uuid) is
  E'Ends an install: its copy is archived, its runs stay readable.\nAdmins. Errors: install_not_found, not_allowed, install_ended.';
grant execute on function public.uninstall_listing(uuid) to authenticated;

create function private.update_install(install_id uuid) returns public.marketplace_installs
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_install public.marketplace_installs := private.require_install(update_install.install_id);
  v_listing public.marketplace_listings;
  v_version public.agent_versions;
  v_clone public.agents;
  v_presets jsonb;
begin
  select * into v_listing
  from public.marketplace_listings as l
  where l.id = v_install.listing_id and l.is_live
  for share;
  if not found then
    raise sqlstate 'PT404' using
      message = 'What was installed is not listed any more.',
      detail = 'listing_not_found',
      hint = 'The copy goes on as it is.';
  end if;
  select v.* into strict v_version
  from public.listing_revisions as r
    join public.agent_versions as v on v.id = r.agent_version_id
  where r.id = v_listing.live_revision_id;
  if v_version.id = v_install.agent_version_id then
    return v_install;
  end if;
  perform private.require_purchase(v_listing, v_install.organization_id);
  select * into strict v_clone from public.agents as a where a.id = v_install.cloned_agent_id;

  -- The organization's own: defaults that differ from the version it was made of and still fit.
  select coalesce(jsonb_object_agg(p.name, p.default_value), '{}') into v_presets
  from public.agent_parameters as p
    join jsonb_array_elements(v_version.parameters) as n (definition)
      on n.definition ->> 'name' = p.name
  where p.agent_id = v_clone.id
    and p.default_value is not null
    and private.parameter_problem(n.definition, p.default_value) is null
    and not exists (
      select
      from public.agent_versions as v,
        jsonb_array_elements(v.parameters) as o (definition)
      where v.id = v_install.agent_version_id
        and o.definition ->> 'name' = p.name
        and o.definition -> 'default_value' = p.default_value);
  perform private.write_clone(v_clone, v_version, v_presets);
  update public.marketplace_installs as i
  set agent_version_id = v_version.id
  where i.id = v_install.id
  returning * into v_install;
  return v_install;
end
$$;
grant execute on function private.update_install(uuid) to authenticated;

create function public.update_install(install_id uuid) returns public.marketplace_installs
language sql volatile
set search_path = ''
as $$
  select private.update_install(install_id)
$$;
comment on function public.update_install(uuid) is
  E'Moves an installed copy to the version that is live.\nAdmins. The organization''s own parameter defaults stay where they still fit; other changes to the copy give way, and its older versions remain. Nothing happens when it is up to date. Errors: install_not_found, not_allowed, install_ended, listing_not_found, purchase_required.';
grant execute on function public.update_install(uuid) to authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Searching
-- ---------------------------------------------------------------------------------------------------

create function private.finds_listing(query tsquery) returns boolean
language plpgsql stable
set search_path = ''
-- From the index of words alone: that nothing has a word must not take reading everything.
set enable_seqscan = off
set enable_indexscan = off
as $$
begin
  return exists (
    select from public.marketplace_listings as l where l.is_live and l.search @@ finds_listing.query);
end
$$;
comment on function private.finds_listing(tsquery) is 'Whether any live listing has these words.';

create function private.forget_listing_words() returns void
language sql volatile
set search_path = ''
as $$
  delete from private.listing_vocabulary as w
  where not private.finds_listing(plainto_tsquery('private.listing_words', w.word))
$$;
comment on function private.forget_listing_words() is
  'Upkeep: words of listings that are gone.';
insert into private.upkeep_tasks (name, task, every)
values ('forget listing words', 'private.forget_listing_words()', interval '1 day');

create function private.listing_query(query text) returns tsquery
language plpgsql stable
set search_path = ''
as $$
declare
  v_query tsquery := private.search_query(left(listing_query.query, 200));
  v_word text;
  v_similar text;
  v_meant tsquery;
  v_corrected tsquery;
begin
  -- Whoever writes operators means what they wrote; as words, "-not" would be asked for.
  if listing_query.query ~* '"|\mor\M|(^|\s)-' or private.finds_listing(v_query) then
    return v_query;
  end if;
  -- Nothing is spelled like this: each word may be itself, or one of the three that look most like it.
  for v_word in
    select w.word
    from unnest(tsvector_to_array(
      to_tsvector('private.listing_words', left(listing_query.query, 200)))) as w (word)
    -- Stop words are no words to be found by.
    where to_tsvector('private.listing_text', w.word) <> ''
    limit 10
  loop
    v_meant := plainto_tsquery('private.listing_words', v_word);
    for v_similar in
      select n.word
      from (
        select w.word
        from private.listing_vocabulary as w
        order by w.word operator(extensions.<->) v_word
        limit 3
      ) as n
      where extensions.similarity(n.word, v_word) >= 0.2
    loop
      v_meant := v_meant || plainto_tsquery('private.listing_words', v_similar);
    end loop;
    v_corrected := coalesce(v_corrected && v_meant, v_meant);
  end loop;
  return coalesce(v_corrected, v_query);
end
$$;
comment on function private.listing_query(text) is
  'The words of a search, corrected by the catalog''s own when no live listing has them and they stand without operators.';

create type public.listing_result as (
  listing_id uuid,
  agent_id uuid,
  title text,
  short_description text,
  snippet text,
  category text,
  industry_id uuid,
  tags text[],
  icon_url text,
  organization_slug text,
  organization_name text,
  pricing_model public.pricing_model,
  price_usd numeric,
  avg_rating numeric,
  rating_count bigint,
  install_count bigint,
  total_uses bigint,
  published_at timestamptz,
  relevance numeric,
  cursor text
);
comment on type public.listing_result is 'One listing as search_listings answers it.';

create function private.listing_cursor(sort text, value text, id uuid) returns text
language sql immutable parallel safe
set search_path = ''
as $$
  select translate(
    encode(convert_to(json_build_array(sort, value, id)::text, 'UTF8'), 'base64'), E'+/\n', '-_')
$$;
comment on function private.listing_cursor(text, text, uuid) is
  'Where a page of search ends, as one opaque text.';

create function private.read_listing_cursor(
  after text,
  sort text,
  value_type text,
  out value text,
  out id uuid
)
language plpgsql stable
set search_path = ''
as $$
declare
  v_parts jsonb;
begin
  v_parts := convert_from(
    decode(translate(read_listing_cursor.after, '-_', '+/'), 'base64'), 'UTF8')::jsonb;
  value := v_parts ->> 1;
  id := (v_parts ->> 2)::uuid;
  if v_parts ->> 0 = read_listing_cursor.sort
    and jsonb_array_length(v_parts) = 3
    and id is not null
    -- Spelled out, because pg_input_is_valid looks its type up once a transaction.
    and (
      case read_listing_cursor.value_type
        when 'numeric' then pg_input_is_valid(value, 'numeric')
        when 'bigint' then pg_input_is_valid(value, 'bigint')
        when 'timestamptz' then pg_input_is_valid(value, 'timestamptz')
      end
    )
  then
    return;
  end if;
  raise data_exception;
exception
  when data_exception then
    raise sqlstate 'PT400' using
      message = 'This is not a cursor of this search.',
      detail = 'bad_cursor',
      hint = 'Pass the cursor of the last row of a page, with the same sort.';
end
$$;
comment on function private.read_listing_cursor(text, text, text) is
  'What listing_cursor wrote; refuses all else, cursors of another sort included.';

create function private.search_listings(
  query text,
  category text,
  industry_id uuid,
  tags text[],
  pricing text[],
  max_price numeric,
  min_rating numeric,
  verified boolean,
  sort text,
  after text,
  page_size integer
) returns setof public.listing_result
language plpgsql stable security definer
set search_path = ''
-- Words are looked up in their index, however common they are.
set enable_seqscan = off
as $$
declare
  v_words text := nullif(btrim(search_listings.query), '');
  v_query tsquery;
  v_value text;
  v_type text;
  -- Orders of their own: with words and without.
  v_order text := search_listings.sort || case when v_words is null then '' else ' of words' end;
  v_from text := 'public.marketplace_listings as l';
  v_where text;
  v_after_value text;
  v_after_id uuid;
begin
  perform private.require_scope('catalog:read');
  if page_size is null or page_size not between 1 and 100 then
    raise sqlstate 'PT400' using
      message = 'A page has 1 to 100 listings.',
      detail = 'page_size_invalid',
      hint = 'Ask for a smaller page and go on with its last cursor.';
  end if;
  -- What is sorted by, and its type. Without words all are equally relevant: what is in demand leads.
  select s.value, s.type into v_value, v_type
  from (values
    ('relevance', case
        when v_words is null then 'l.trending_score' else 'round(ts_rank(l.search, $1)::numeric, 6)'
      end, 'numeric'),
    ('rating', 'l.rating_sort', 'numeric'),
    ('newest', 'l.published_at', 'timestamptz'),
    ('installs', 'l.install_sort', 'bigint'),
    ('trending', 'l.trending_score', 'numeric')
  ) as s (sort, value, type)
  where s.sort = search_listings.sort;
  if not found then
    raise sqlstate 'PT400' using
      message = format('Listings cannot be sorted by "%s".', search_listings.sort),
      detail = 'sort_unknown',
      hint = 'Sort by relevance, rating, newest, installs or trending.';
  end if;
  if after is not null then
    select c.value, c.id into v_after_value, v_after_id
    from private.read_listing_cursor(search_listings.after, v_order, v_type) as c;
  end if;
  if v_words is not null then
    v_query := private.listing_query(v_words);
  end if;

  -- Only the filters that are set, so that each search is planned for what it asks.
  v_where := concat_ws(
    ' and ', 'l.is_live',
    case when v_query is not null then 'l.search @@ $1' end,
    case when search_listings.category is not null then 'l.category = $2' end,
    case when search_listings.industry_id is not null then 'l.industry_id = $3' end,
    case when search_listings.tags is not null then 'l.tags @> $4' end,
    case when pricing is not null then 'l.pricing_model::text = any ($5)' end,
    case when max_price is not null then 'coalesce(l.price_usd, 0) <= $6' end,
    case when min_rating is not null then 'l.average_rating >= $7' end,
    case when verified is not null then 'l.is_verified = $8' end);
  -- Of what very common words find, only what is most in demand is ranked by relevance.
  if v_order = 'relevance of words' then
    v_from := format(
      '(with found as materialized (
          select l.id, l.trending_score from public.marketplace_listings as l where %s
        )
        select l.id, l.search
        from (select f.id from found as f order by f.trending_score desc, f.id desc limit 2000) as f
          join public.marketplace_listings as l on l.id = f.id) as l',
      v_where);
    v_where := 'true';
  end if;
  if after is not null then
    v_where := format('%s and (%s, l.id) < ($9::%s, $10)', v_where, v_value, v_type);
  end if;
  return query execute format(
    $sql$
      select l.id, l.agent_id, l.title, l.short_description,
        case when $1 is not null then ts_headline(
          'private.listing_text', coalesce(nullif(l.long_description, ''), l.short_description), $1,
          'StartSel=**, StopSel=**, MaxWords=30, MinWords=12, MaxFragments=1') end,
        l.category, l.industry_id, l.tags, l.icon_url, o.slug, o.name, l.pricing_model, l.price_usd,
        round(c.rating_sum::numeric / nullif(c.rating_count, 0), 2), c.rating_count,
        c.install_count, c.total_uses, l.published_at,
        case when $1 is not null then round(ts_rank(l.search, $1)::numeric, 6) end,
        private.listing_cursor($11, p.value::text, l.id)
      from (
          select l.id, %1$s as value
          from %2$s
          where %3$s
          order by value desc, l.id desc
          limit $12
        ) as p
        join public.marketplace_listings as l on l.id = p.id
        join public.organizations as o on o.id = l.organization_id
        cross join lateral private.agent_counts(l.agent_id) as c
      order by p.value desc, p.id desc
    $sql$,
    v_value, v_from, v_where)
  using v_query, search_listings.category, search_listings.industry_id, search_listings.tags, pricing,
    max_price, min_rating, verified, v_after_value, v_after_id, v_order, page_size;
end
$$;
grant execute on function private.search_listings(
  text, text, uuid, text[], text[], numeric, numeric, boolean, text, text, integer)
  to anon, authenticated;

create function public.search_listings(
  query text default null,
  category text default null,
  industry_id uuid default null,
  tags text[] default null,
  pricing text[] default null,
  max_price numeric default null,
  min_rating numeric default null,
  verified boolean default null,
  sort text default 'relevance',
  after text default null,
  page_size integer default 24
) returns setof public.listing_result
language sql stable
set search_path = ''
as $$
  select *
  from private.search_listings(
    query, category, industry_id, tags, pricing, max_price, min_rating, verified, sort, after,
    page_size)
$$;
comment on function public.search_listings(
  text, text, uuid, text[], text[], numeric, numeric, boolean, text, text, integer) is
  E'Finds listings.\nquery takes words, "a phrase", or, -not, and forgives misspelling where there are words alone; snippet marks what matched by ** around it. tags: all of them. pricing: any of free, one_time, subscription, usage_based. verified: reviewed by somebody who installed it. sort: relevance, rating, newest, installs, trending. For the next page pass the last row''s cursor as after, with the same query and sort. Errors: sort_unknown, page_size_invalid, bad_cursor.';
grant execute on function public.search_listings(
  text, text, uuid, text[], text[], numeric, numeric, boolean, text, text, integer)
  to anon, authenticated;

create function private.listing_facets(
  query text,
  category text,
  industry_id uuid,
  tags text[],
  pricing text[],
  max_price numeric,
  min_rating numeric,
  verified boolean
) returns table (facet text, value text, count bigint)
language plpgsql stable security definer
set search_path = ''
-- From the indexes, and what a broad search finds fits into memory.
set enable_seqscan = off
set work_mem = '32MB'
as $$
declare
  v_words text := nullif(btrim(listing_facets.query), '');
  v_query tsquery;
begin
  perform private.require_scope('catalog:read');
  if v_words is not null then
    v_query := private.listing_query(v_words);
  end if;

  -- One pass over what the words find. `failed` has a bit for each filter that a row fails; it counts in
  -- a facet when it fails none, or that facet's own.
  return query execute format(
    $sql$
      with found as materialized (
        select l.category, l.industry_id, l.tags, l.pricing_model, l.average_rating, l.is_verified,
          f.failed
        from public.marketplace_listings as l
          cross join lateral (select
            case when $2 is null or l.category = $2 then 0 else 1 end
            + case when $3 is null or l.industry_id = $3 then 0 else 2 end
            + case when $4 is null or l.tags @> $4 then 0 else 4 end
            + case when $5 is null or l.pricing_model::text = any ($5) then 0 else 8 end
            + case when $7 is null or l.average_rating >= $7 then 0 else 16 end
            + case when $8 is null or l.is_verified = $8 then 0 else 32 end as failed
          ) as f
        where %s and f.failed in (0, 1, 2, 4, 8, 16, 32)
      ), groups as materialized (
        select f.failed, f.category, f.industry_id::text as industry_id,
          f.pricing_model::text as pricing, floor(f.average_rating) as stars,
          f.is_verified::text as verified, count(*) as count
        from found as f
        group by f.failed, f.category, f.industry_id, f.pricing_model, floor(f.average_rating),
          f.is_verified
      )
      select c.facet, c.value, sum(g.count)::bigint
      from groups as g
        cross join lateral (values
          ('category', g.category, 1), ('industry_id', g.industry_id, 2), ('pricing', g.pricing, 8),
          ('verified', g.verified, 32)
        ) as c (facet, value, own)
      where g.failed in (0, c.own) and c.value is not null
      group by c.facet, c.value
      union all
      select 'min_rating', r.least::text, sum(g.count)::bigint
      from groups as g
        join (values (1), (2), (3), (4)) as r (least) on g.stars >= r.least
      where g.failed in (0, 16)
      group by r.least
      union all
      (select 'tags', t.tag, count(*)
       from found as f, unnest(f.tags) as t (tag)
       where f.failed in (0, 4)
       group by t.tag
       order by count(*) desc, t.tag
       limit 50)
    $sql$,
    concat_ws(
      ' and ', 'l.is_live',
      case when v_query is not null then 'l.search @@ $1' end,
      case when max_price is not null then 'coalesce(l.price_usd, 0) <= $6' end))
  using v_query, listing_facets.category, listing_facets.industry_id, listing_facets.tags, pricing,
    max_price, min_rating, verified;
end
$$;
grant execute on function private.listing_facets(
  text, text, uuid, text[], text[], numeric, numeric, boolean)
  to anon, authenticated;

create function public.listing_facets(
  query text default null,
  category text default null,
  industry_id uuid default null,
  tags text[] default null,
  pricing text[] default null,
  max_price numeric default null,
  min_rating numeric default null,
  verified boolean default null
) returns table (facet text, value text, count bigint)
language sql stable
set search_path = ''
as $$
  select f.facet, f.value, f.count
  from private.listing_facets(
    query, category, industry_id, tags, pricing, max_price, min_rating, verified) as f
$$;
comment on function public.listing_facets(
  text, text, uuid, text[], text[], numeric, numeric, boolean) is
  E'How many listings each choice of a filter would leave.\nTakes the filters of search_listings; each facet (category, industry_id, tags, pricing, min_rating, verified) ignores its own. Of tags, the 50 most frequent; min_rating counts at least so many stars.';
grant execute on function public.listing_facets(
  text, text, uuid, text[], text[], numeric, numeric, boolean)
  to anon, authenticated;

-- ---------------------------------------------------------------------------------------------------
-- Storage: screenshots of listings, readable by their public address. The first folder of a path is the
-- id of the organization that offers them.
-- ---------------------------------------------------------------------------------------------------
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values (
  'screenshots', 'screenshots', true, 5242880,
  array['image/png', 'image/jpeg', 'image/webp', 'image/gif'])
on conflict (id) do nothing;

create function private.my_screenshot_folders() returns setof text
language plpgsql stable
set search_path = ''
as $$
begin
  if private.caller_is_active() then
    return query select i::text from private.my_organization_ids('member') as i;
  end if;
end
$$;
comment on function private.my_screenshot_folders() is
  'The organizations whose screenshots the caller may change: those in which they write listings.';
grant execute on function private.my_screenshot_folders() to authenticated;

-- NOTE: no select for others: the public address asks no policy, and nobody should list the bucket.
create policy storage_screenshots_select on storage.objects
  for select to authenticated
  using (
    bucket_id = 'screenshots'
    and split_part(name, '/', 1) = any (array(select private.my_screenshot_folders())));
create policy storage_screenshots_insert on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'screenshots'
    and split_part(name, '/', 1) = any (array(select private.my_screenshot_folders())));
create policy storage_screenshots_update on storage.objects
  for update to authenticated
  using (
    bucket_id = 'screenshots'
    and split_part(name, '/', 1) = any (array(select private.my_screenshot_folders())))
  with check (
    bucket_id = 'screenshots'
    and split_part(name, '/', 1) = any (array(select private.my_screenshot_folders())));
create policy storage_screenshots_delete on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'screenshots'
    and split_part(name, '/', 1) = any (array(select private.my_screenshot_folders())));

insert into private.personal_data (section, relation, user_column)
values
  ('reviews', 'public.agent_reviews', 'user_id'),
  ('reports', 'public.review_reports', 'user_id'),
  ('favorites', 'public.favorites', 'user_id'),
  ('collections', 'public.collections', 'user_id'),
  ('agent_events', 'public.agent_events', 'user_id'),
  ('purchases', 'public.purchases', 'bought_by_id'),
  ('installs', 'public.marketplace_installs', 'installed_by_id');

-- migrate:down
