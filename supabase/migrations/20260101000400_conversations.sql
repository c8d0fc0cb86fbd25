-- migrate:up

-- Conversations: one person and one version of an agent, message by message. Nobody else reads them,
-- admins of the organization included. send_message() and the runs that answer stand in the executions
-- context.

create type public.message_sender as enum ('user', 'agent');
create type public.message_feedback as enum ('good', 'bad');

-- ---------------------------------------------------------------------------------------------------
-- conversations: bound to the version that it began with, so that an agent does not change in the
-- middle of a sentence. Refused: agents that the person may not run, versions of others, parameters
-- that do not fit. What a trigger fills in has a default, so that inserts may leave it out.
-- ---------------------------------------------------------------------------------------------------
create table public.conversations (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null default '00000000-0000-0000-0000-000000000000',
  user_id uuid not null default auth.uid() references public.profiles,
  agent_id uuid not null,
  agent_version_id uuid not null default '00000000-0000-0000-0000-000000000000',
  parameters jsonb not null default '{}',
  title text
    constraint title_is_1_to_255_characters check (
      char_length(title) between 1 and 255 and title ~ '\S'),
  last_message text,
  last_message_at timestamptz not null default now(),
  last_sequence_number integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (agent_id, organization_id)
    references public.agents (id, organization_id) on delete cascade,
  foreign key (agent_version_id, agent_id)
    references public.agent_versions (id, agent_id) on delete cascade
);
alter table public.conversations enable row level security;

-- One's own in an organization, the latest first; the key to profiles.
create index conversations_list_idx
  on public.conversations (user_id, organization_id, last_message_at desc, id);
-- One's own with one agent, the latest first; the key to agents.
create index conversations_agent_id_idx
  on public.conversations (agent_id, user_id, last_message_at desc, id);
-- The key to versions.
create index conversations_agent_version_id_idx on public.conversations (agent_version_id);

create function private.tg_conversations__begin() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_version_id uuid := nullif(new.agent_version_id, '00000000-0000-0000-0000-000000000000');
  v_agent public.agents;
  v_version public.agent_versions;
begin
  if auth.uid() is not null then
    v_agent := private.require_agent(new.agent_id, 'run');
  else
    -- An operator, who may do anything, in the name of new.user_id.
    select * into v_agent from public.agents as a where a.id = new.agent_id;
  end if;
  select * into v_version
  from public.agent_versions as v
  where v.id = coalesce(v_version_id, v_agent.current_version_id)
    and v.agent_id = v_agent.id
    -- What was frozen for the run of a draft is for editors.
    and (v.is_published or private.can_edit_agent(v_agent.id));
  if not found and v_version_id is not null then
    raise sqlstate 'PT404' using
      message = 'There is no such version of this agent.',
      detail = 'version_not_found',
      hint = 'Leave agent_version_id out to talk with the current version.';
  elsif not found then
    raise sqlstate 'PT409' using
      message = 'This agent has no published version yet.',
      detail = 'agent_not_published',
      hint = 'Publish a version first.';
  end if;
  new.organization_id := v_agent.organization_id;
  new.agent_version_id := v_version.id;
  new.parameters := private.resolve_parameters(v_version.parameters, new.parameters);
  return new;
end
$$;
comment on function private.tg_conversations__begin() is
  'Before insert: the person may run the agent; organization and version follow from it, and the parameters fit the version, with defaults filled in.';

create trigger _100_begin before insert on public.conversations
  for each row execute function private.tg_conversations__begin();
create trigger _200_set_updated_at before update on public.conversations
  for each row execute function private.tg_set_updated_at();

-- NOTE: whose it is, with which agent and with what parameters never changes. What the last message was
-- belongs to the triggers of messages.
grant select, delete on public.conversations to authenticated;
grant insert (agent_id, agent_version_id, parameters, title) on public.conversations
  to authenticated;
grant update (title) on public.conversations to authenticated;

-- A key acts in its own organization only; without one, what is one's own stays one's own, also when
-- one has left the organization.
create policy conversations_select_own on public.conversations
  for select to authenticated
  using (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))));
create policy conversations_insert_own on public.conversations
  for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy conversations_update_own on public.conversations
  for update to authenticated
  using (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))))
  with check (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))));
create policy conversations_delete_own on public.conversations
  for delete to authenticated
  using (
    user_id = (select auth.uid())
    and ((select private.has_scope('personal'))
      or organization_id = any (array(select private.my_organization_ids('viewer')))));
create policy conversations_select_scope on public.conversations as restrictive
  for select to authenticated
  using ((select private.has_scope('conversations:read')));
create policy conversations_insert_scope on public.conversations as restrictive
  for insert to authenticated
  with check ((select private.has_scope('conversations:write')));
create policy conversations_update_scope on public.conversations as restrictive
  for update to authenticated
  using ((select private.has_scope('conversations:write')));
create policy conversations_delete_scope on public.conversations as restrictive
  for delete to authenticated
  using ((select private.has_scope('conversations:write')));

comment on table public.conversations is
  E'Your conversations with agents; nobody else reads them.\nInsert agent_id (and parameters, if the agent takes any) to begin one, then send_message(). Deleting one deletes its messages for good; remove its files through the Storage API. Errors: agent_not_found, not_allowed, agent_not_published, version_not_found, parameter_missing, parameter_invalid, parameter_unknown.';
comment on column public.conversations.organization_id is 'The agent''s organization, which pays; filled in.';
comment on column public.conversations.agent_version_id is
  'The version that answers, to the end; the agent''s current one when left out.';
comment on column public.conversations.parameters is
  'The agent''s parameters for every message, {"name": value}; defaults are filled in.';
comment on column public.conversations.title is
  'Begins as the first words of the first message; rename it as you like.';
comment on column public.conversations.last_message is 'The beginning of the latest message.';
comment on column public.conversations.last_message_at is
  'When the latest message came, or else when the conversation began: the order of the list.';
comment on column public.conversations.last_sequence_number is 'How many messages there are.';

-- The profile of a deleted account stays, without a name; what only that person could read must not.
create function private.tg_profiles__delete_conversations() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from public.conversations as c where c.user_id = new.id;
  return null;
end
$$;
comment on function private.tg_profiles__delete_conversations() is
  'A deleted account takes its conversations with it.';
create trigger _510_delete_conversations after update of deleted_at on public.profiles
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function private.tg_profiles__delete_conversations();

-- ---------------------------------------------------------------------------------------------------
-- messages: numbered from 1 without gaps, however many write at once: the number is counted on the
-- conversation's row, whose lock the writer holds until it commits. Rows never change but for the
-- feedback, and go only with their conversation.
-- ---------------------------------------------------------------------------------------------------
create table public.messages (
  id uuid primary key default private.uuid_v7(),
  conversation_id uuid not null references public.conversations on delete cascade,
  sequence_number integer not null,
  sender_type public.message_sender not null,
  content text not null,
  attachments jsonb not null default '[]'
    constraint attachments_are_a_list check (
      jsonb_typeof(attachments) = 'array' and jsonb_array_length(attachments) <= 10),
  -- No foreign key: the run may be dropped with its month.
  execution_id uuid,
  feedback public.message_feedback,
  feedback_note text
    constraint feedback_note_is_at_most_2000_characters check (char_length(feedback_note) <= 2000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- A page of a conversation, and the key to it.
  unique (conversation_id, sequence_number),
  constraint people_say_something check (
    sender_type = 'agent' or content ~ '\S' or attachments <> '[]'),
  constraint feedback_is_for_answers check (
    sender_type = 'agent' or num_nonnulls(feedback, feedback_note) = 0)
);
alter table public.messages enable row level security;

-- The messages of a run: what it answers and what it said.
create index messages_execution_id_idx on public.messages (execution_id)
  where execution_id is not null;

create function private.tg_messages__append() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_words text := btrim(regexp_replace(left(new.content, 1000), '\s+', ' ', 'g'));
begin
  update public.conversations as c
  set last_sequence_number = c.last_sequence_number + 1,
    last_message = left(v_words, 200),
    last_message_at = now(),
    title = coalesce(
      c.title, case new.sender_type when 'user' then nullif(btrim(left(v_words, 80)), '') end)
  where c.id = new.conversation_id
  returning c.last_sequence_number into new.sequence_number;
  return new;
end
$$;
comment on function private.tg_messages__append() is
  'Before insert: takes the next number of the conversation and keeps its title, last_message and last_message_at.';
create trigger _100_append before insert on public.messages
  for each row execute function private.tg_messages__append();
create trigger _200_set_updated_at before update on public.messages
  for each row execute function private.tg_set_updated_at();

-- NOTE: written by send_message() and by the runs that answer. No operator inserts or deletes one
-- either: the numbers would have gaps.
grant select on public.messages to authenticated;
grant update (feedback, feedback_note) on public.messages to authenticated;
revoke insert, delete on public.messages from service_role;

-- `offset 0` changes nothing but the plan: the conversation is looked up by its id. Without it the
-- planner may read everybody's conversations into a hash for one page of messages (18 ms, not 0.3).
create policy messages_select_own on public.messages
  for select to authenticated
  using (exists (
    select from public.conversations as c where c.id = messages.conversation_id offset 0));
create policy messages_update_own on public.messages
  for update to authenticated
  using (
    sender_type = 'agent'
    and exists (
      select from public.conversations as c where c.id = messages.conversation_id offset 0))
  with check (
    sender_type = 'agent'
    and exists (
      select from public.conversations as c where c.id = messages.conversation_id offset 0));
create policy messages_select_scope on public.messages as restrictive
  for select to authenticated
  using ((select private.has_scope('conversations:read')));
create policy messages_update_scope on public.messages as restrictive
  for update to authenticated
  using ((select private.has_scope('conversations:write')));

comment on table public.messages is
  E'What was said in your conversations, ordered by sequence_number.\nSend one with send_message(); the agent''s answer comes when its run completes. Update feedback and feedback_note of answers.';
comment on column public.messages.sequence_number is 'Counts up from 1 in each conversation, without gaps.';
comment on column public.messages.attachments is
  '[{"path", "name", "type", "size_bytes"}]: files in the bucket attachments.';
comment on column public.messages.execution_id is
  'The run that answers this message, or that said it; embed it as execution.';

create function private.check_message_numbers() returns table (
  counter text,
  id uuid,
  stored integer,
  counted bigint
)
language sql stable
set search_path = ''
as $$
  select 'last_sequence_number', c.id, c.last_sequence_number, m.messages
  from public.conversations as c
    cross join lateral (
      select count(*) as messages, coalesce(max(m.sequence_number), 0) as last
      from public.messages as m
      where m.conversation_id = c.id
    ) as m
  where c.last_sequence_number <> m.messages or c.last_sequence_number <> m.last
$$;
comment on function private.check_message_numbers() is 'For private.recount().';
insert into private.counter_checks (name, check_function)
values ('messages', 'private.check_message_numbers()');

create view private.messages_by_person as
select c.user_id, m.*
from public.messages as m
  join public.conversations as c on c.id = m.conversation_id;
comment on view private.messages_by_person is 'For export_my_data(): whose each message is.';

insert into private.personal_data (section, relation, user_column)
values
  ('conversations', 'public.conversations', 'user_id'),
  ('messages', 'private.messages_by_person', 'user_id');

-- ---------------------------------------------------------------------------------------------------
-- Storage: what people attach. A path is <organization id>/<conversation id>/<name>. Whoever uploaded
-- a file reads and removes it, also when the conversation is gone; workers read as service_role.
-- ---------------------------------------------------------------------------------------------------
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values (
  'attachments', 'attachments', false, 20971520,
  array[
    'image/png', 'image/jpeg', 'image/webp', 'image/gif', 'application/pdf', 'application/json',
    'text/plain', 'text/markdown', 'text/csv',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'])
on conflict (id) do nothing;

-- NOTE: no update: what was sent stays as it was sent.
create policy storage_attachments_select on storage.objects
  for select to authenticated
  using (
    bucket_id = 'attachments'
    and owner_id = (select auth.uid())::text
    and (select private.caller_is_active()));
create policy storage_attachments_insert on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'attachments'
    and (select private.caller_is_active())
    and exists (
      select
      from public.conversations as c
        join public.agent_access as a on a.agent_id = c.agent_id and a.can_run
      where c.id = case
          when pg_input_is_valid(split_part(objects.name, '/', 2), 'uuid')
            then split_part(objects.name, '/', 2)::uuid
        end
        and c.organization_id::text = split_part(objects.name, '/', 1)
        and split_part(objects.name, '/', 3) <> ''));
create policy storage_attachments_delete on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'attachments'
    and owner_id = (select auth.uid())::text
    and (select private.caller_is_active()));

-- migrate:down
