-- What a Supabase project brings for Realtime's broadcast: the table that carries messages and answers
-- who may use a channel, and the functions that our triggers call. Run once per database cluster, as
-- the superuser, after supabase.sql. src/stack/live.ts delivers.

-- One row is one message on its way. A channel's policies stand here too: SELECT is who may listen,
-- INSERT who may send; both read realtime.topic(). Unlogged, because a message is gone once delivered:
-- what must last stands in a table of its own, and live.ts deletes rows after ten minutes.
create unlogged table realtime.messages (
  id uuid primary key default gen_random_uuid(),
  topic text not null,
  extension text not null,
  event text,
  payload jsonb,
  private boolean not null default false,
  inserted_at timestamp not null default now(),
  updated_at timestamp not null default now()
);
alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.messages enable row level security;
-- Deletes by age.
create index messages_inserted_at_idx on realtime.messages (inserted_at);
grant select, insert on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres;

-- The channel that a policy on realtime.messages is asked about.
create function realtime.topic() returns text
language sql stable
as $$
  select nullif(current_setting('realtime.topic', true), '')
$$;
alter function realtime.topic() owner to supabase_realtime_admin;
grant execute on function realtime.topic() to anon, authenticated, service_role, postgres;

-- Sends a message to everybody on a channel, when the transaction commits. It never fails the caller:
-- a change is worth more than the news of it.
create function realtime.send(
  payload jsonb,
  event text,
  topic text,
  private boolean default true
) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid := gen_random_uuid();
begin
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (v_id, send.payload, send.event, send.topic, send.private, 'broadcast');
  perform pg_notify('realtime_messages', v_id || ' ' || send.topic);
exception
  when others then
    raise warning 'realtime.send: %', sqlerrm;
end
$$;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;
revoke execute on function realtime.send(jsonb, text, text, boolean) from public;
grant execute on function realtime.send(jsonb, text, text, boolean)
  to anon, authenticated, service_role, postgres;

-- Migrations make the channels' policies, and only an owner may.
grant supabase_realtime_admin to postgres;
grant create on schema realtime to supabase_realtime_admin;
