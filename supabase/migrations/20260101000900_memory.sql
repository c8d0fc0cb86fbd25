-- migrate:up

-- Memory: what agents remember about the people they talk to. It belongs to those people: each sees,
-- corrects and deletes what is remembered about them, and nobody sees what is remembered about others.

-- ---------------------------------------------------------------------------------------------------
-- agent_memories: one thing that one agent remembers about one person, in one session or for good.
-- ---------------------------------------------------------------------------------------------------
create table public.agent_memories (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  agent_id uuid not null,
  user_id uuid not null references public.profiles (id) on delete cascade,
  session_id uuid,
  memory_type text not null
    constraint memory_type_is_known check (memory_type in ('conversation', 'fact', 'preference', 'task')),
  content text not null
    constraint content_is_1_to_20000_characters check (
      char_length(content) between 1 and 20000 and content ~ '\S'),
  words tsvector not null generated always as (to_tsvector('pg_catalog.english', content)) stored,
  embedding real[]
    constraint embedding_is_a_vector check (
      array_ndims(embedding) = 1
      and cardinality(embedding) <= 4096
      and array_position(embedding, null) is null),
  embedding_model text,
  metadata jsonb not null default '{}'
    constraint metadata_is_an_object check (jsonb_typeof(metadata) = 'object')
    constraint metadata_is_at_most_16_kb check (octet_length(metadata::text) <= 16384),
  importance_score numeric(3, 2) not null default 0.5
    constraint importance_score_is_0_to_1 check (importance_score between 0 and 1),
  access_count integer not null default 0,
  last_accessed_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint an_embedding_names_its_model check ((embedding is null) = (embedding_model is null)),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade
);
alter table public.agent_memories enable row level security;

-- What one agent remembers about one person, newest first: the list, and what match_memories ranks.
create index agent_memories_user_id_idx on public.agent_memories (user_id, agent_id, id desc);
-- The foreign key.
create index agent_memories_agent_id_idx on public.agent_memories (agent_id);
-- What upkeep forgets.
create index agent_memories_expires_at_idx on public.agent_memories (expires_at)
  where expires_at is not null;
-- Remembering the same again is no second memory.
create unique index agent_memories_content_is_unique
  on public.agent_memories (user_id, agent_id, session_id, memory_type, md5(content))
  nulls not distinct;

create function private.unit_vector(vector real[]) returns real[]
language sql immutable strict parallel safe
set search_path = ''
as $$
  select array_agg((v.x / n.length)::real order by v.ordinality)
  from unnest(unit_vector.vector) with ordinality as v (x)
    cross join (
      select sqrt(sum(y.x::double precision ^ 2)) as length from unnest(unit_vector.vector) as y (x)
    ) as n
  where n.length > 0
$$;
comment on function private.unit_vector(real[]) is
  'The vector of length 1 in the same direction, so that a cosine is a sum of products; null when it has no direction.';
grant execute on function private.unit_vector(real[]) to authenticated, service_role;

create function private.tg_agent_memories__embedding() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and new.content <> old.content
    and new.embedding is not distinct from old.embedding
  then
    new.embedding := null;
    new.embedding_model := null;
  elsif new.embedding is not null and (tg_op = 'INSERT' or new.embedding is distinct from old.embedding) then
    new.embedding := private.unit_vector(new.embedding);
    if new.embedding is null then
      new.embedding_model := null;
    end if;
  end if;
  return new;
end
$$;
comment on function private.tg_agent_memories__embedding() is
  'Embeddings are stored with length 1; one without direction is none, and one that was made of other words goes with them.';

create trigger _100_embedding before insert or update of content, embedding on public.agent_memories
  for each row execute function private.tg_agent_memories__embedding();
create trigger _200_set_updated_at before update on public.agent_memories
  for each row execute function private.tg_set_updated_at();

-- NOTE: no insert: agents remember, through private.remember(). The embedding is theirs, too.
grant select, delete on public.agent_memories to authenticated;
grant update (content, metadata, importance_score, expires_at) on public.agent_memories to authenticated;

create policy agent_memories_select_own on public.agent_memories
  for select to authenticated
  using (
    user_id = (select auth.uid())
    -- A key acts in its own organization only; without one, what is one's own stays readable.
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))));
create policy agent_memories_update_own on public.agent_memories
  for update to authenticated
  using (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))))
  with check (user_id = (select auth.uid()));
create policy agent_memories_delete_own on public.agent_memories
  for delete to authenticated
  using (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))));
create policy agent_memories_select_scope on public.agent_memories as restrictive
  for select to authenticated
  using ((select private.has_scope('memory:read')));
create policy agent_memories_update_scope on public.agent_memories as restrictive
  for update to authenticated
  using ((select private.has_scope('memory:write')));
create policy agent_memories_delete_scope on public.agent_memories as restrictive
  for delete to authenticated
  using ((select private.has_scope('memory:write')));

comment on table public.agent_memories is
  E'What agents remember about you.\nYour own only: read, correct (update content, importance_score, metadata, expires_at), delete. Rank with match_memories().';
comment on column public.agent_memories.user_id is 'About whom it is.';
comment on column public.agent_memories.session_id is 'The session that it belongs to; null: remembered for good.';
comment on column public.agent_memories.words is 'The words of content, for ranking.';
comment on column public.agent_memories.embedding is 'Its meaning as a vector of length 1; null until the words have one.';
comment on column public.agent_memories.embedding_model is 'The model that made the embedding.';
comment on column public.agent_memories.importance_score is '0 to 1.';
comment on column public.agent_memories.access_count is 'How often a run used it.';
comment on column public.agent_memories.expires_at is 'Forgotten then; null is never.';

-- The profile of a deleted account stays, without a name; what was remembered about it must not.
create function private.tg_profiles__delete_memories() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from public.agent_memories as m where m.user_id = new.id;
  return null;
end
$$;
comment on function private.tg_profiles__delete_memories() is 'A deleted account takes along what is remembered about it.';
create trigger _510_delete_memories after update of deleted_at on public.profiles
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_profiles__delete_memories();

create view private.remembered as
select m.id, m.agent_id, m.user_id, m.session_id, m.memory_type, m.content, m.metadata,
  m.importance_score, m.access_count, m.last_accessed_at, m.expires_at, m.created_at
from public.agent_memories as m;
comment on view private.remembered is 'Memories as people take them along: without vectors.';
insert into private.personal_data (section, relation, user_column)
values ('memories', 'private.remembered', 'user_id');

-- ---------------------------------------------------------------------------------------------------
-- For workers
-- ---------------------------------------------------------------------------------------------------

create function private.remember(
  agent_id uuid,
  user_id uuid,
  memory_type text,
  content text,
  session_id uuid default null,
  embedding real[] default null,
  embedding_model text default null,
  importance_score numeric default 0.5,
  metadata jsonb default '{}',
  expires_at timestamptz default null
) returns uuid
language plpgsql volatile
set search_path = ''
as $$
-- The column list of an `on conflict` cannot be qualified.
#variable_conflict use_column
declare
  v_id uuid;
begin
  insert into public.agent_memories as m (organization_id, agent_id, user_id, session_id, memory_type,
    content, embedding, embedding_model, importance_score, metadata, expires_at)
  select a.organization_id, a.id, p.id, remember.session_id, remember.memory_type, remember.content,
    remember.embedding, remember.embedding_model, remember.importance_score, remember.metadata,
    remember.expires_at
  from public.agents as a, public.profiles as p
  where a.id = remember.agent_id and a.deleted_at is null
    and p.id = remember.user_id and p.deleted_at is null
  on conflict (user_id, agent_id, session_id, memory_type, md5(content)) do update
  set embedding = coalesce(excluded.embedding, m.embedding),
    embedding_model = coalesce(excluded.embedding_model, m.embedding_model),
    importance_score = greatest(m.importance_score, excluded.importance_score),
    metadata = m.metadata || excluded.metadata,
    expires_at = case
      when m.expires_at is not null and excluded.expires_at is not null
        then greatest(m.expires_at, excluded.expires_at)
    end
  returning m.id into v_id;
  return v_id;
end
$$;
comment on function private.remember(uuid, uuid, text, text, uuid, real[], text, numeric, jsonb, timestamptz) is
  'Stores what an agent remembers about a person, and answers with its id; null when either is gone. The same words again make the memory they meet more important and longer-lived, never two.';

create function private.embed_memory(
  memory_id uuid,
  content text,
  embedding real[],
  embedding_model text
) returns boolean
language plpgsql volatile
set search_path = ''
as $$
begin
  update public.agent_memories as m
  set embedding = embed_memory.embedding, embedding_model = embed_memory.embedding_model
  where m.id = embed_memory.memory_id and m.content = embed_memory.content;
  return found;
end
$$;
comment on function private.embed_memory(uuid, text, real[], text) is
  'Gives a memory the vector of its words, for instance after somebody corrected them; false when they have changed meanwhile.';

create function private.touch_memories(ids uuid[]) returns void
language sql volatile
set search_path = ''
as $$
  update public.agent_memories as m
  set access_count = m.access_count + 1, last_accessed_at = now()
  -- In one order, so that runs that use the same memories wait for each other and never in a circle.
  from (
    select t.id from public.agent_memories as t
    where t.id = any (touch_memories.ids)
    order by t.id
    for no key update
  ) as touched
  where m.id = touched.id
$$;
comment on function private.touch_memories(uuid[]) is 'A run used these memories.';

create function private.forget_expired_memories() returns void
language sql volatile
set search_path = ''
as $$
  delete from public.agent_memories as m where m.expires_at <= now()
$$;
comment on function private.forget_expired_memories() is 'Upkeep: what was remembered for a time only.';

insert into private.upkeep_tasks (name, task, every)
values ('forget expired memories', 'private.forget_expired_memories()', interval '10 minutes');

-- ---------------------------------------------------------------------------------------------------
-- Ranking
-- ---------------------------------------------------------------------------------------------------

create function private.similar_memories(
  agent_id uuid,
  user_id uuid,
  session_id uuid,
  embedding real[],
  count integer
) returns table (id uuid, similarity double precision)
language plpgsql stable
set search_path = ''
as $$
begin
  return query
    select m.id, s.cosine
    from (
      select o.id, o.embedding
      from public.agent_memories as o
      where o.agent_id = similar_memories.agent_id
        and o.user_id = similar_memories.user_id
        and (o.session_id is null or o.session_id = similar_memories.session_id)
        and cardinality(o.embedding) = cardinality(similar_memories.embedding)
        and (o.expires_at is null or o.expires_at > now())
      order by o.id desc
      limit 5000
    ) as m
      cross join lateral (
        -- Side by side in a select list: as a function in FROM both would be stored before they are read.
        select sum(p.x * p.y)::double precision as cosine
        from (select unnest(m.embedding) as x, unnest(similar_memories.embedding) as y) as p
      ) as s
    order by s.cosine desc
    limit similar_memories.count;
end
$$;
comment on function private.similar_memories(uuid, uuid, uuid, real[], integer) is
  'What an agent remembers about a person that is closest in meaning to a vector of length 1, among their 5,000 newest memories; with pgvector, among all.';
grant execute on function private.similar_memories(uuid, uuid, uuid, real[], integer)
  to authenticated, service_role;

create function private.use_pgvector() returns boolean
language plpgsql volatile
set search_path = ''
as $$
declare
  v_schema text;
  v_version text;
  v_scan text;
  v_dimensions integer;
  v_function regprocedure;
begin
  if not exists (select from pg_catalog.pg_available_extensions as e where e.name = 'vector') then
    return false;
  end if;
  create extension if not exists vector with schema extensions;
  select n.nspname, e.extversion into v_schema, v_version
  from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
  where e.extname = 'vector';
  -- Ranking runs as its caller. Where the extension is made under our default privileges, which close
  -- every new function, those of the extension are closed as well.
  for v_function in
    select p.oid::regprocedure
    from pg_catalog.pg_extension as e
      join pg_catalog.pg_depend as d
        on d.refclassid = 'pg_catalog.pg_extension'::regclass
        and d.refobjid = e.oid
        and d.classid = 'pg_catalog.pg_proc'::regclass
      join pg_catalog.pg_proc as p on p.oid = d.objid
    where e.extname = 'vector' and not has_function_privilege('authenticated', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to authenticated, service_role', v_function);
  end loop;
  -- A plain index would refuse vectors of other dimensions. HNSW ends at 2,000 of them.
  foreach v_dimensions in array array[256, 384, 512, 768, 1024, 1536] loop
    execute format(
      'create index if not exists agent_memories_embedding_%2$s_idx on public.agent_memories
       using hnsw ((embedding::%1$I.vector(%2$s)) %1$I.vector_cosine_ops)
       where cardinality(embedding) = %2$s',
      v_schema, v_dimensions);
  end loop;
  -- An index scan finds the nearest vectors of everybody, at most hnsw.ef_search of them (40 unless told),
  -- and only then looks whose they are. From 0.8 on it goes on until there are enough. In any order, since
  -- a strict one leaves out what it comes upon too late; who asks sorts them.
  v_scan := case
    when string_to_array(v_version, '.')::integer[] >= '{0,8}' then
      'set hnsw.iterative_scan = relaxed_order
       set hnsw.max_scan_tuples = 1000000
       set hnsw.scan_mem_multiplier = 32'
    else 'set hnsw.ef_search = 1000'
  end;
  execute format(
    $function$
      create or replace function private.similar_memories(
        agent_id uuid,
        user_id uuid,
        session_id uuid,
        embedding real[],
        count integer
      ) returns table (id uuid, similarity double precision)
      language plpgsql stable
      set search_path = ''
      %2$s
      as $body$
      begin
        -- Spelled out with the number of dimensions, by which the planner finds the index.
        return query execute format(
          'select m.id, 1 - ((m.embedding::%1$I.vector(%%1$s)) operator(%1$I.<=>) $1::%1$I.vector(%%1$s))
           from public.agent_memories as m
           where m.agent_id = $2
             and m.user_id = $3
             and (m.session_id is null or m.session_id = $4)
             and cardinality(m.embedding) = %%1$s
             and (m.expires_at is null or m.expires_at > now())
           order by (m.embedding::%1$I.vector(%%1$s)) operator(%1$I.<=>) $1::%1$I.vector(%%1$s)
           limit $5',
          cardinality(similar_memories.embedding))
        using similar_memories.embedding, similar_memories.agent_id, similar_memories.user_id,
          similar_memories.session_id, similar_memories.count;
      end
      $body$
    $function$,
    v_schema, v_scan);
  return true;
end
$$;
comment on function private.use_pgvector() is
  'Where the extension vector is at hand: indexes for the usual dimensions, and a ranking that uses it. The operator repeats it after installing the extension later.';
select private.use_pgvector();

create function public.match_memories(
  agent_id uuid,
  query text,
  user_id uuid default null,
  session_id uuid default null,
  embedding real[] default null,
  match_count integer default 10
) returns table (
  id uuid,
  organization_id uuid,
  agent_id uuid,
  user_id uuid,
  session_id uuid,
  memory_type text,
  content text,
  embedding_model text,
  metadata jsonb,
  importance_score numeric,
  access_count integer,
  last_accessed_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz,
  updated_at timestamptz,
  score double precision
)
language sql stable
set search_path = ''
as $$
  with asked as (
    select
      coalesce(match_memories.user_id, auth.uid()) as user_id,
      tsvector_to_array(to_tsvector('pg_catalog.english', coalesce(match_memories.query, ''))) as words,
      private.unit_vector(match_memories.embedding) as embedding
  ), similar_ones as materialized (
    select s.id, s.similarity
    from asked
      cross join private.similar_memories(
        match_memories.agent_id, asked.user_id, match_memories.session_id, asked.embedding, 200) as s
    where asked.embedding is not null
  ), candidates as (
    select s.id from similar_ones as s
    union
    (
      select m.id
      from asked
        join public.agent_memories as m on m.user_id = asked.user_id
      where m.agent_id = match_memories.agent_id
        and (m.session_id is null or m.session_id = match_memories.session_id)
        and (m.expires_at is null or m.expires_at > now())
      order by m.id desc
      limit 5000
    )
  )
  select m.id, m.organization_id, m.agent_id, m.user_id, m.session_id, m.memory_type, m.content,
    m.embedding_model, m.metadata, m.importance_score, m.access_count, m.last_accessed_at,
    m.expires_at, m.created_at, m.updated_at,
    (
      case when asked.embedding is null then 0 else 0.5 * greatest(coalesce(s.similarity, 0), 0) end
      + case
          when asked.words = '{}' then 0
          else 0.25 * (length(m.words) - length(ts_delete(m.words, asked.words))) / cardinality(asked.words)
        end
      + 0.15 * m.importance_score
      -- Half of it is gone after three weeks.
      + 0.1 * exp(-extract(epoch from now() - coalesce(m.last_accessed_at, m.created_at)) / 2592000)
    ) / (
      0.25
      + case when asked.embedding is null then 0 else 0.5 end
      + case when asked.words = '{}' then 0 else 0.25 end
    ) as score
  from asked
    cross join candidates as c
    join public.agent_memories as m on m.id = c.id
    left join similar_ones as s on s.id = c.id
  order by score desc, m.id desc
  limit least(greatest(match_memories.match_count, 1), 100)
$$;
comment on function public.match_memories(uuid, text, uuid, uuid, real[], integer) is
  E'What an agent remembers about you that bears on a question, best first.\nscore, 0 to 1, weighs meaning (by the embedding of the question, a half), words (a quarter), importance and recency. With session_id what belongs to that session counts, too, else only what is remembered for good. user_id is you when left out; others'' memories stay hidden.';
grant execute on function public.match_memories(uuid, text, uuid, uuid, real[], integer)
  to authenticated, service_role;

-- migrate:down
