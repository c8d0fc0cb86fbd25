-- A large installation, made without triggers (what they would keep is made directly): 1,000
-- organizations with 5 members each, 100,000 agents with a version and a live listing each, their
-- reviews, favorites and views, a million executions over the last 60 days with steps for the newest,
-- 20,000 conversations of 10 messages. The first organization is the largest: a tenth of everything.
set session_replication_role = replica;

insert into auth.users (id, aud, role, email, created_at)
select private.uuid_v7_floor(now() - interval '1 year' + n * interval '1 minute'), 'authenticated', 'authenticated',
  'person-' || n || '@example.com', now()
from generate_series(1, 5000) as n;
insert into public.profiles (id, username)
select u.id, split_part(u.email, '@', 1) from auth.users as u where u.email like 'person-%';
insert into auth.sessions (id, user_id, created_at, updated_at)
select gen_random_uuid(), u.id, now(), now() from auth.users as u where u.email like 'person-%';

insert into public.organizations (id, name, slug, is_personal, max_agents, max_executions_per_month)
select private.uuid_v7_floor(now() - interval '1 year' + n * interval '1 hour'), 'Organization ' || n, 'organization-' || n, false,
  1000000, 10000000
from generate_series(1, 1000) as n;
insert into public.organization_members (organization_id, user_id, role)
select o.id, p.id, (array['owner', 'admin', 'member', 'member', 'viewer'])[p.n % 5 + 1]::public.org_role
from (select id, row_number() over (order by id) - 1 as n from public.organizations where slug like 'organization-%') as o
  join (select id, row_number() over (order by id) - 1 as n from public.profiles where username like 'person-%') as p
    on p.n / 5 = o.n;

create temporary table owners as
select m.organization_id, m.user_id, row_number() over (order by m.organization_id) - 1 as n
from public.organization_members as m join public.organizations as o on o.id = m.organization_id
where m.role = 'owner' and o.slug like 'organization-%';

insert into public.agents (id, organization_id, created_by_id, name, slug, description, system_prompt, visibility, status, created_at, updated_at)
select private.uuid_v7_floor(t.at), o.organization_id, o.user_id, 'Agent ' || a.n, 'agent-' || a.n, 'Does thing ' || a.n,
  repeat('You are careful. ', 20), (array['private', 'organization', 'organization', 'public'])[a.n % 4 + 1]::public.agent_visibility,
  'draft', t.at, t.at
from generate_series(1, 100000) as a (n)
  cross join lateral (select now() - interval '300 days' + a.n * interval '4 minutes' as at) as t
  join owners as o on o.n = case when a.n % 10 = 0 then 0 else a.n % 1000 end;
insert into public.agent_versions (id, organization_id, agent_id, version_number, version, name, system_prompt, model,
  parameters, variables, tools, mcp_servers, memory_enabled, memory_type, prompt_config, agent_config,
  execution_environment, metadata, is_published, created_by_id)
select private.uuid_v7_floor(a.created_at + interval '1 second'), a.organization_id, a.id, 1, '1.0.0', a.name, a.system_prompt,
  'demo/echo', '[]', '[]', '[]', '[]', false, 'conversation', '{}', '{}', '{}', '{}', true, a.created_by_id
from public.agents as a where a.slug like 'agent-%';
update public.agents as a set current_version_id = v.id, status = 'active'
from public.agent_versions as v where v.agent_id = a.id;

-- The months that the last 60 days fall into.
select private.add_month_partition(t, (date_trunc('month', now()) - make_interval(months => n))::date)
from unnest(array['public.executions', 'public.execution_steps', 'public.agent_events']::regclass[]) as t
  cross join generate_series(1, 2) as n;
set session_replication_role = replica;

create temporary table targets as
select a.id, a.organization_id, a.created_by_id, a.current_version_id, a.created_at, a.visibility,
  row_number() over (order by a.id) - 1 as n
from public.agents as a where a.slug like 'agent-%';
create unique index on targets (n);
create temporary table people as
select m.organization_id, m.user_id, row_number() over (order by m.user_id) - 1 as n
from public.organization_members as m join public.organizations as o on o.id = m.organization_id
where o.slug like 'organization-%';
create unique index on people (n);
analyze targets, people;
insert into public.executions (id, organization_id, user_id, agent_id, agent_version_id, input, output, status,
  error_code, created_at, updated_at, started_at, completed_at, prompt_tokens, completion_tokens, cost_usd)
select private.uuid_v7_floor(e.at), t.organization_id, t.created_by_id, t.id, t.current_version_id,
  '{"message": "What is the weather like?"}', '{"text": "I cannot know."}',
  case when r.n % 20 = 0 then 'failed' else 'completed' end, case when r.n % 20 = 0 then 'provider_timeout' end,
  e.at, e.at, e.at, e.at + interval '2 seconds', 100, 200, 0.0012
from generate_series(1, 1000000) as r (n)
  cross join lateral (select now() - interval '60 days' + r.n * interval '5.18 seconds' as at) as e
  join targets as t on t.n = (r.n::bigint * 7919) % 100000;
insert into public.execution_steps (id, execution_id, sequence_number, attempt, step_name, step_type,
  created_at, started_at, completed_at)
select private.uuid_v7_floor(e.created_at + s * interval '100 milliseconds'), e.id, s, 1, 'step ' || s, 'llm_call',
  e.created_at, e.created_at, e.created_at + interval '1 second'
from public.executions as e cross join generate_series(1, 3) as s
where e.id > private.uuid_v7_floor(now() - interval '6 days');

-- Words as often as in any language: the tenth is a tenth as frequent as the first. The first ones are
-- real; the others, and the agents' names, are made of syllables.
select setseed(0.5);
create function pg_temp.made_up(number bigint, syllables integer) returns text
language sql immutable
as $$
  select string_agg(
    (array['ba', 'co', 'du', 'fe', 'gi', 'ha', 'jo', 'ku', 'le', 'mi',
      'na', 'po', 'ru', 'se', 'ti', 'va', 'wo', 'xu', 'ye', 'zi'])[number / (20 ^ s)::bigint % 20 + 1], '')
  from generate_series(0, syllables - 1) as s
$$;
create temporary table words as
select r.rank, coalesce(
  (string_to_array('team customer report answer email draft document data summary invoice meeting '
    'contract schedule support research review budget translate calendar ticket policy forecast '
    'release inventory payroll newsletter interview compliance shipping onboarding', ' '))[r.rank],
  pg_temp.made_up(r.rank, 3)) as word
from generate_series(1, 5000) as r (rank);
create temporary table texts as
select d.n, array_agg(w.word order by d.place) as words
from (
    select n, place, floor(power(5000, random()))::integer as rank
    from generate_series(0, 99999) as n cross join generate_series(1, 16) as place
  ) as d
  join words as w on w.rank = d.rank
group by d.n;
create unique index on texts (n);

insert into public.agent_reviews (id, agent_id, user_id, organization_id, rating, title, body, created_at, updated_at)
select private.uuid_v7_floor(r.at), r.agent_id, p.user_id, p.organization_id,
  -- Some agents are better than others.
  greatest(1, 5 - floor(power(random(), 1 + r.n % 5) * 5))::smallint, 'Review ' || r.number,
  'It did what I asked, in its way.', r.at, r.at
from (
    select t.n, t.id as agent_id, k, number,
      now() - interval '50 days' + number * interval '15 seconds' as at
    from (
        -- By people of the organizations that follow the agent's own; thousands for the first agent.
        select t.*, k, row_number() over (order by t.n, k) as number
        from targets as t cross join generate_series(1, 4000 / (t.n + 1) + t.n % 4) as k
      ) as t
  ) as r
  join people as p on p.n = (5 * ((case when (r.n + 1) % 10 = 0 then 0 else (r.n + 1) % 1000 end) + 1) + r.k) % 5000;
insert into public.favorites (user_id, agent_id, created_at)
select p.user_id, t.id, now() - f * interval '1 hour'
from people as p
  cross join generate_series(1, 20) as f
  join targets as t on t.n = (p.n * 17 + f * f * 101) % 20000;
insert into public.agent_events (id, agent_id, event_type, user_id, created_at)
select private.uuid_v7_floor(e.at), e.agent_id, e.event_type, e.user_id, e.at
from (
    select d.*, now() - row_number() over (order by d.user_id, d.agent_id, d.event_type) * interval '15 seconds' as at
    from (
        select f.agent_id, 'favorite' as event_type, f.user_id
        from public.favorites as f
          join targets as t on t.id = f.agent_id
          join people as p on p.user_id = f.user_id
        where p.organization_id <> t.organization_id
        union all
        -- Few are looked at often, and most not at all.
        select t.id, 'view', p.user_id
        from targets as t join people as p on p.n % (t.n / 4 + 2) = 0 and p.organization_id <> t.organization_id
        where t.n < 5000
      ) as d
  ) as e;

insert into private.agent_counters (agent_id, view_count, favorite_count, rating_count, rating_sum)
select t.id,
  (select count(*) from public.agent_events as e where e.agent_id = t.id and e.event_type = 'view'),
  (select count(*) from public.favorites as f where f.agent_id = t.id),
  count(r.id), coalesce(sum(r.rating), 0)
from targets as t left join public.agent_reviews as r on r.agent_id = t.id
group by t.id;
insert into public.agent_tags (agent_id, tag)
select distinct t.id, x.words[k]
from targets as t join texts as x on x.n = t.n cross join generate_series(1, 2) as k;

create temporary table offers as
select t.*, x.words, c.rating_sum, c.rating_count,
  private.uuid_v7_floor(t.created_at + interval '1 hour') as listing_id,
  private.uuid_v7_floor(t.created_at + interval '2 hours') as revision_id,
  t.created_at + interval '1 day' as approved_at,
  initcap(pg_temp.made_up(t.n, 4)) || ' ' || array_to_string(x.words[1:2], ' ') as title,
  array_to_string(x.words[3:6], ' ') as short_description,
  array_to_string(x.words[7:16], ' ') as long_description,
  (array['Writing', 'Support', 'Research', 'Sales', 'Coding', 'Data', 'Legal', 'Education'])
    [floor(power(random(), 2) * 8) + 1] as category,
  (select i.id from public.industries as i where i.display_order = t.n % 8 + 1) as industry_id,
  (array['free', 'free', 'free', 'free', 'free', 'one_time', 'subscription', 'usage_based'])
    [floor(random() * 8) + 1]::public.pricing_model as pricing_model
from targets as t
  join texts as x on x.n = t.n
  join private.agent_counters as c on c.agent_id = t.id;
insert into public.listing_revisions (id, listing_id, organization_id, agent_id, agent_version_id, status, title,
  short_description, long_description, category, industry_id, pricing_model, price_usd,
  submitted_by_id, submitted_at, reviewed_at, created_at, updated_at)
select o.revision_id, o.listing_id, o.organization_id, o.id, o.current_version_id, 'approved', o.title,
  o.short_description, o.long_description, o.category, o.industry_id, o.pricing_model,
  case when o.pricing_model <> 'free' then 1 + o.n % 50 end,
  o.created_by_id, o.approved_at - interval '1 hour', o.approved_at, o.approved_at, o.approved_at
from offers as o;
insert into public.marketplace_listings (id, organization_id, agent_id, live_revision_id, status, is_live, title,
  short_description, long_description, use_case, category, industry_id, tags, pricing_model, price_usd,
  published_at, created_at, updated_at, rating_sort, average_rating, search)
select r.listing_id, r.organization_id, r.agent_id, r.id, 'listed', true, r.title, r.short_description,
  r.long_description, r.use_case, r.category, r.industry_id, t.tags, r.pricing_model, r.price_usd,
  r.reviewed_at, r.created_at, r.updated_at, private.rating_sort(o.rating_sum, o.rating_count),
  round(o.rating_sum::numeric / nullif(o.rating_count, 0), 2),
  private.search_vector(r.title, 'A')
    || private.search_vector(concat_ws(' ', array_to_string(t.tags, ' '), r.category, i.name), 'B')
    || private.search_vector(concat_ws(' ', r.short_description, r.use_case), 'C')
    || private.search_vector(r.long_description, 'D')
from offers as o
  join public.listing_revisions as r on r.id = o.revision_id
  join public.industries as i on i.id = r.industry_id
  cross join lateral (
    select array_agg(t.tag order by t.tag) as tags from public.agent_tags as t where t.agent_id = o.id
  ) as t;
insert into private.listing_vocabulary (word)
select distinct w.word collate "C" as word
from public.marketplace_listings as l cross join unnest(tsvector_to_array(l.search)) as w (word)
order by word;
select private.refresh_trending();

-- With agents that the person may run: everybody's but the private ones, which their owner talks with.
insert into public.conversations (id, organization_id, user_id, agent_id, agent_version_id, title, last_message,
  last_message_at, last_sequence_number, created_at, updated_at)
select private.uuid_v7_floor(c.at), t.organization_id,
  case t.visibility when 'private' then t.created_by_id else p.user_id end, t.id, t.current_version_id,
  'What is number ' || c.n || '?', 'I cannot know.', c.at + interval '200 seconds', 10, c.at,
  c.at + interval '200 seconds'
from (
    select n, now() - interval '58 days' + n * interval '250 seconds' as at from generate_series(1, 20000) as n
  ) as c
  join targets as t on t.n = (c.n * 7919) % 100000
  join lateral (
    select m.user_id from public.organization_members as m
    where m.organization_id = t.organization_id
    order by m.user_id offset c.n / 7 % 5 limit 1
  ) as p on true;
insert into public.messages (id, conversation_id, sequence_number, sender_type, content, created_at, updated_at)
select private.uuid_v7_floor(m.at), c.id, s, case s % 2 when 1 then 'user' else 'agent' end::public.message_sender,
  case s % 2 when 1 then c.title else 'I cannot know.' end, m.at, m.at
from public.conversations as c
  cross join generate_series(1, 10) as s
  cross join lateral (select c.created_at + s * interval '20 seconds' as at) as m;

set session_replication_role = origin;
