-- Two tenants that fill every table, for the tests of who may do what. access.build('kestrel') makes an
-- organization with people in every relation to it; everything written for it carries its name, and
-- what strangers must never see carries 'zq' and its name: 'zqkestrel' in an answer to another tenant is
-- a leak, wherever it stands.
create schema access;

-- The platform's own, which everybody may use. What the migrations bring is there already.
insert into public.settings (name, slug) values ('Platform', 'platform');
insert into public.tools (name, tool_type) values ('platform', 'function');

create function access.person(tenant text, who text) returns uuid
language sql stable
as $$
  select p.id from public.profiles as p where p.username = tenant || '-' || who
$$;

create function access.agent(tenant text, kind text) returns uuid
language sql stable
as $$
  select a.id from public.agents as a where a.slug = tenant || '-' || kind
$$;

create function access.graph(mark text) returns jsonb
language sql immutable
as $$
  select jsonb_build_object(
    'nodes', jsonb_build_array(
      jsonb_build_object('id', '__start__', 'type', 'runnable', 'data', '{}'::jsonb),
      jsonb_build_object('id', mark, 'type', 'runnable', 'data', '{}'::jsonb),
      jsonb_build_object('id', '__end__', 'type', 'runnable', 'data', '{}'::jsonb)),
    'edges', jsonb_build_array(
      jsonb_build_object('source', '__start__', 'target', mark),
      jsonb_build_object('source', mark, 'target', '__end__')))
$$;

create function access.fill_agent(tenant text, agent public.agents) returns void
language plpgsql
as $$
declare
  v_secret text := 'zq' || tenant;
  -- Strangers read what is public, so it carries the tenant's name but not its secret; of an agent in
  -- the catalog they read the parameters and tags.
  v_mark text := case agent.visibility when 'public' then tenant else v_secret end;
  v_face text := case when agent.slug like '%-listed' then tenant else v_mark end;
begin
  update public.agents
  set name = v_mark, external_key = v_mark || '-' || agent.slug, description = v_mark, icon = v_mark,
    avatar_url = 'https://example.com/' || v_mark, category = v_mark, system_prompt = v_mark,
    user_prompt_template = v_mark,
    configuration = jsonb_build_object(
      'note', v_mark, 'execution_environment', jsonb_build_object('note', v_mark)),
    settings_id = case when agent.visibility <> 'public' then (
      select s.id from public.settings as s where s.slug = v_secret || '-owner') end
  where id = agent.id;
  insert into public.agent_parameters (
    agent_id, name, type, description, default_value, options, validation_rules)
  values
    (agent.id, v_face, 'select', v_face, to_jsonb(v_face), jsonb_build_array(v_face), '{}'),
    (agent.id, v_face || '-2', 'string', v_face, to_jsonb(v_face), null,
      jsonb_build_object('pattern', v_face));
  insert into public.agent_variables (agent_id, name, description, value)
  values (agent.id, v_mark, v_mark, to_jsonb(v_mark));
  insert into public.agent_tools (agent_id, tool_id)
  select agent.id, t.id
  from public.tools as t
  where t.organization_id = agent.organization_id
    and t.name = case agent.visibility when 'public' then tenant || '_open' else v_secret || '_owner' end;
  insert into public.mcp_servers (agent_id, name, transport, command, args, env_vars, config)
  values (
    agent.id, v_mark, 'stdio', v_mark, jsonb_build_array(v_mark), jsonb_build_object('NOTE', v_mark),
    jsonb_build_object('note', v_mark));
  insert into public.mcp_servers (agent_id, name, transport, url)
  values (agent.id, v_mark || '_http', 'http', 'https://example.com/' || v_mark);
  insert into public.agent_tags (agent_id, tag) values (agent.id, v_face);

  perform tests.sign_in(access.person(tenant, 'owner'));
  perform public.publish_agent_version(agent.id, null, v_mark, v_mark);
  perform tests.sign_out();
  -- The published version is public with the agent; what insiders edit meanwhile is not.
  update public.agent_variables set name = v_secret, description = v_secret, value = to_jsonb(v_secret)
  where agent_id = agent.id;
  update public.mcp_servers
  set name = v_secret, command = v_secret, args = jsonb_build_array(v_secret),
    env_vars = jsonb_build_object('NOTE', v_secret), config = jsonb_build_object('note', v_secret)
  where agent_id = agent.id and transport = 'stdio';
  update public.mcp_servers
  set name = v_secret || '_http', url = 'https://example.com/' || v_secret
  where agent_id = agent.id and transport = 'http';
end
$$;

create function access.add_run(
  mark text,
  agent public.agents,
  person uuid,
  conversation_id uuid,
  status text
) returns uuid
language plpgsql
as $$
declare
  v_id uuid;
begin
  insert into public.executions (
    organization_id, user_id, agent_id, agent_version_id, session_id, conversation_id, input)
  values (
    agent.organization_id, person, agent.id, agent.current_version_id, conversation_id, conversation_id,
    jsonb_build_object('message', mark))
  returning id into v_id;
  insert into public.execution_steps (
    execution_id, sequence_number, attempt, step_name, step_type, input, output, model, tool_name,
    error_message, completed_at)
  values (
    v_id, 1, 1, mark, 'llm_call', to_jsonb(mark), to_jsonb(mark), 'demo/' || mark, mark, mark, now());
  insert into public.execution_logs (execution_id, sequence_number, level, message)
  values (v_id, 1, 'info', mark);
  insert into public.execution_events (execution_id, seq, kind, payload)
  values (v_id, 1000, 'delta', jsonb_build_object('text', mark));
  insert into public.execution_artifacts (execution_id, name, type, size_bytes, storage_path)
  values (
    v_id, mark || '.txt', 'text/plain', 1,
    agent.organization_id || '/' || v_id || '/' || mark || '.txt');
  insert into storage.objects (bucket_id, name)
  values ('artifacts', agent.organization_id || '/' || v_id || '/' || mark || '.txt');
  update public.executions as e
  set status = 'running', resource_usage = jsonb_build_object('note', mark)
  where e.id = v_id;
  insert into public.execution_approvals (
    execution_id, tool, arguments, edited_arguments, note, expires_at)
  values (
    v_id, mark, jsonb_build_object('note', mark), jsonb_build_object('note', mark), mark,
    now() + interval '1 day');
  update public.executions as e
  set status = add_run.status,
    output = jsonb_build_object('text', mark),
    error_code = case add_run.status when 'failed' then mark end,
    error_message = mark
  where e.id = v_id;
  return v_id;
end
$$;

create function access.build(tenant text) returns void
language plpgsql
set search_path = public, extensions
as $$
declare
  v_secret text := 'zq' || tenant;
  v_owner uuid;
  v_admin uuid;
  v_member uuid;
  v_organization uuid;
  v_closed uuid;
  v_who text;
  v_kind text;
  v_person uuid;
  v_agent public.agents;
  v_execution uuid;
  v_conversation uuid;
  v_team uuid;
  v_webhook uuid;
  v_listing uuid;
  v_purchase uuid;
  v_revision uuid;
  v_suite uuid;
  v_case uuid;
  v_run uuid;
  v_subscription uuid;
begin
  -- What the audit log takes from requests.
  perform set_config(
    'request.headers',
    jsonb_build_object('user-agent', v_secret, 'x-request-id', v_secret)::text,
    true);

  -- Identity ----------------------------------------------------------------------------------------
  foreach v_who in array
    '{owner,admin,member,viewer,removed,use,edit,deactivated,heir,moderator}'::text[]
  loop
    v_person := tests.create_user(tenant || '-' || v_who);
    update public.profiles
    set full_name = tenant, avatar_url = 'https://example.com/' || tenant, bio = tenant, company = tenant
    where id = v_person;
    insert into public.notifications (user_id, kind, payload)
    values (v_person, v_secret || '.notice', jsonb_build_object('text', v_secret));
    insert into public.tokens (user_id, key) values (v_person, upper(v_secret));
  end loop;
  update public.profiles set is_superuser = true where id = access.person(tenant, 'moderator');
  v_owner := access.person(tenant, 'owner');
  v_admin := access.person(tenant, 'admin');
  v_member := access.person(tenant, 'member');

  v_organization := tests.create_organization(v_owner, tenant);
  update public.organizations
  -- The catalog shows the name and the logo of who publishes.
  set name = tenant,
    logo_url = 'https://example.com/' || tenant,
    settings = jsonb_build_object('note', v_secret),
    monthly_budget_usd = 1000,
    max_agents = 1000,
    max_team_members = 1000
  where id = v_organization;
  perform
    tests.add_member(v_organization, v_admin, 'admin'),
    tests.add_member(v_organization, v_member, 'member'),
    tests.add_member(v_organization, access.person(tenant, 'viewer'), 'viewer'),
    tests.add_member(v_organization, access.person(tenant, 'removed'), 'member'),
    tests.add_member(v_organization, access.person(tenant, 'deactivated'), 'member'),
    tests.add_member(v_organization, access.person(tenant, 'heir'), 'member');
  insert into public.tokens (organization_id, key) values (v_organization, upper(v_secret));
  insert into public.organization_invitations (organization_id, email, role, invited_by_id)
  values (v_organization, tenant || '-use@example.com', 'member', v_owner);
  insert into private.organization_invitation_tokens (invitation_id, token_hash)
  select i.id, sha256(convert_to(tenant || '-invitation', 'UTF8'))
  from public.organization_invitations as i
  where i.organization_id = v_organization;
  foreach v_who in array '{owner,member}'::text[] loop
    insert into public.api_keys (user_id, organization_id, name, key_prefix, scopes)
    values (
      access.person(tenant, v_who), v_organization, v_secret || ' ' || v_who,
      rpad(v_secret, 12, 'x'), '{agents:read}');
  end loop;

  insert into storage.objects (bucket_id, name)
  select f.bucket, f.folder || '/' || v_secret || '.png'
  from (values
    ('avatars', v_owner), ('avatars', v_member), ('avatars', v_organization),
    ('screenshots', v_organization)) as f (bucket, folder);

  -- Agents ------------------------------------------------------------------------------------------
  foreach v_who in array '{owner,member}'::text[] loop
    insert into public.settings (organization_id, created_by_id, name, slug, value)
    values (
      v_organization, access.person(tenant, v_who), v_secret, v_secret || '-' || v_who,
      jsonb_build_object('note', v_secret));
    insert into public.tools (
      organization_id, created_by_id, name, description, tool_type, config, input_schema, output_schema)
    values (
      v_organization, access.person(tenant, v_who), v_secret || '_' || v_who, v_secret, 'function',
      jsonb_build_object('note', v_secret), jsonb_build_object('title', v_secret),
      jsonb_build_object('title', v_secret));
  end loop;

  insert into public.tools (
    organization_id, created_by_id, name, description, tool_type, config, input_schema, output_schema)
  values (
    v_organization, v_owner, tenant || '_open', tenant, 'function', jsonb_build_object('note', tenant),
    jsonb_build_object('title', tenant), jsonb_build_object('title', tenant));

  -- A kind of agent for every rule: who made it, who sees it.
  insert into public.agents (organization_id, created_by_id, slug, name, visibility)
  select v_organization, access.person(tenant, a.creator), tenant || '-' || a.kind, a.kind,
    a.visibility::public.agent_visibility
  from (values
    ('public', 'owner', 'public'),
    ('organization', 'owner', 'organization'),
    ('ours', 'member', 'organization'),
    ('shared', 'owner', 'private'),
    ('listed', 'owner', 'private'),
    ('private', 'owner', 'private'),
    ('mine', 'member', 'private'),
    ('forgotten', 'removed', 'private'),
    ('deleted', 'owner', 'organization'),
    ('undone', 'member', 'organization')) as a (kind, creator, visibility);
  for v_agent in select * from public.agents where organization_id = v_organization loop
    perform access.fill_agent(tenant, v_agent);
  end loop;
  insert into public.agent_shares (agent_id, user_id, permission)
  values
    (access.agent(tenant, 'shared'), access.person(tenant, 'use'), 'use'),
    (access.agent(tenant, 'shared'), access.person(tenant, 'edit'), 'edit'),
    (access.agent(tenant, 'mine'), v_admin, 'use');
  -- A copy of somebody else's agent, and versions that are no copies of their drafts.
  update public.agents
  set forked_from_agent_id = access.agent(tenant, 'public'),
    forked_from_version_id = (
      select a.current_version_id from public.agents as a where a.id = access.agent(tenant, 'public'))
  where id = access.agent(tenant, 'organization');
  update public.agents set description = description || ', revised'
  where slug in (tenant || '-public', tenant || '-shared');
  perform private.freeze_draft(a.id)
  from public.agents as a
  where a.slug in (tenant || '-public', tenant || '-shared');

  -- Catalog: listings that are live, one to buy and one for nothing, one that waits for review, and one
  -- that is a draft ---------------------------------------------------------------------------------
  foreach v_kind in array '{organization,ours,listed,public}'::text[] loop
    insert into public.marketplace_listings (organization_id, agent_id)
    values (v_organization, access.agent(tenant, v_kind))
    returning id into v_listing;
    declare
      v_mark text := case when v_kind in ('listed', 'public') then tenant else v_secret end;
    begin
      insert into public.listing_revisions (
        listing_id, title, short_description, long_description, use_case, category, icon_url,
        screenshots, demo_video_url, pricing_model, price_usd, industry_id)
      select v_listing, v_mark, v_mark, v_mark, v_mark, v_mark, 'https://example.com/' || v_mark,
        array['https://example.com/' || v_mark], 'https://example.com/' || v_mark,
        case v_kind when 'public' then 'free' else 'one_time' end::public.pricing_model,
        case when v_kind <> 'public' then 1 end, i.id
      from public.industries as i
      order by i.display_order
      limit 1
      returning id into v_revision;
    end;
    continue when v_kind = 'ours';
    perform tests.sign_in(v_owner);
    perform public.submit_listing(v_listing);
    perform tests.sign_out();
    continue when v_kind = 'organization';
    perform tests.sign_in(access.person(tenant, 'moderator'));
    perform public.review_listing(v_revision, true, v_secret);
    perform tests.sign_out();
    insert into public.marketplace_installs (
      listing_id, organization_id, installed_by_id, cloned_agent_id)
    values (
      v_listing, v_organization, v_member,
      access.agent(tenant, case v_kind when 'public' then 'ours' else 'organization' end));
    continue when v_kind = 'public';
    insert into public.purchases (listing_id, organization_id, bought_by_id, amount_usd, stripe_reference)
    values (v_listing, v_organization, v_owner, 1, v_secret)
    returning id into v_purchase;
    update public.purchases set status = 'paid' where id = v_purchase;
  end loop;
  -- Members do not review what their organization makes; the admin did so before joining.
  delete from public.organization_members
  where organization_id = v_organization and user_id = v_admin;
  insert into public.agent_reviews (
    agent_id, user_id, organization_id, rating, title, body, is_hidden, author_reply, author_replied_at)
  select access.agent(tenant, 'listed'), access.person(tenant, r.who),
    tests.personal_organization(access.person(tenant, r.who)), 5, r.mark, r.mark, r.is_hidden, r.mark,
    now()
  from (values ('use', tenant, false), ('admin', tenant, false), ('edit', v_secret, true))
    as r (who, mark, is_hidden);
  perform tests.add_member(v_organization, v_admin, 'admin');
  foreach v_who in array '{owner,member,admin,use}'::text[] loop
    v_person := access.person(tenant, v_who);
    insert into public.favorites (user_id, agent_id) values (v_person, access.agent(tenant, 'public'));
    insert into public.review_reports (review_id, user_id, reason)
    select r.id, v_person, v_secret
    from public.agent_reviews as r
    where r.user_id = access.person(tenant, 'use')
      and v_who <> 'use';
    insert into public.collections (user_id, name, description) values (v_person, v_secret, v_secret);
    insert into public.collections (user_id, name, description, is_public)
    values (v_person, tenant, tenant, true);
    insert into public.collection_items (collection_id, agent_id)
    select c.id, access.agent(tenant, 'public') from public.collections as c where c.user_id = v_person;
    -- Memory.
    insert into public.agent_memories (
      organization_id, agent_id, user_id, memory_type, content, embedding, embedding_model, metadata)
    values (
      v_organization, access.agent(tenant, case v_who when 'use' then 'shared' else 'organization' end),
      v_person, 'fact', v_secret, array[1, 0], v_secret, jsonb_build_object('note', v_secret));
  end loop;
  -- The admin's from before they joined.
  insert into public.agent_events (agent_id, event_type, user_id, metadata)
  select a.id, 'view', access.person(tenant, p.name), jsonb_build_object('note', v_secret)
  from public.agents as a, (values ('use'), ('removed'), ('admin')) as p (name)
  where a.organization_id = v_organization;

  -- Evaluation --------------------------------------------------------------------------------------
  for v_who, v_kind in
    select *
    from (values ('owner', 'organization'), ('owner', 'private'), ('member', 'organization'))
      as e (who, kind)
  loop
    v_person := access.person(tenant, v_who);
    select * into v_agent from public.agents as a where a.slug = tenant || '-' || v_kind;
    insert into public.eval_suites (organization_id, agent_id, created_by_id, name, description, config)
    values (
      v_organization, v_agent.id, v_person, v_secret, v_secret, jsonb_build_object('note', v_secret))
    returning id into v_suite;
    insert into public.eval_test_cases (
      suite_id, created_by_id, name, description, input, expected_output, scoring_rubric)
    values (
      v_suite, v_person, v_secret, v_secret, jsonb_build_object('message', v_secret),
      to_jsonb(v_secret),
      jsonb_build_object('criteria', jsonb_build_array(
        jsonb_build_object('type', 'contains', 'values', jsonb_build_array(v_secret)))))
    returning id into v_case;
    insert into public.eval_runs (
      organization_id, suite_id, agent_id, agent_version_id, user_id, suite_digest)
    values (v_organization, v_suite, v_agent.id, v_agent.current_version_id, v_person, '')
    returning id into v_run;
    insert into public.eval_results (
      run_id, test_case_id, test_case, execution_id, criteria, actual_output, feedback)
    values (
      v_run, v_case, jsonb_build_object('name', v_secret), private.uuid_v7(),
      jsonb_build_array(v_secret), to_jsonb(v_secret), v_secret);
  end loop;

  -- Orchestration -----------------------------------------------------------------------------------
  foreach v_who in array '{owner,member,admin}'::text[] loop
    v_person := access.person(tenant, v_who);
    insert into public.teams (
      organization_id, created_by_id, name, slug, description, type, leader_model, leader_prompt)
    values (
      v_organization, v_person, v_secret, v_secret || '-' || v_who, v_secret, 'coordinate',
      'demo/echo', v_secret)
    returning id into v_team;
    insert into public.team_agents (team_id, agent_id, position)
    values
      (v_team, access.agent(tenant, 'organization'), 1),
      (v_team, access.agent(tenant, case v_who when 'owner' then 'private' else 'ours' end), 2);
    insert into public.workflows (organization_id, created_by_id, name, slug, description, definition)
    values (
      v_organization, v_person, v_secret, v_secret || '-' || v_who, v_secret, access.graph(v_secret));
  end loop;
  with planned as (
    insert into public.schedules (
      organization_id, created_by_id, agent_id, team_id, name, frequency, timezone, input)
    select v_organization, access.person(tenant, p.creator), access.agent(tenant, p.agent),
      case when p.agent is null then (
        select t.id from public.teams as t where t.slug = v_secret || '-owner') end,
      v_secret, 'daily', 'Europe/Berlin', jsonb_build_object('message', v_secret)
    from (values
      ('owner', 'organization'), ('owner', 'private'), ('owner', null), ('member', 'organization'),
      ('member', 'mine'))
      as p (creator, agent)
    returning id
  )
  insert into public.schedule_runs (schedule_id, due_at, outcome, error_code, error_message)
  select p.id, now(), 'refused', v_secret, v_secret
  from planned as p;

  -- Executions: whoever ran something has a run that waits for a decision, one that failed, and, unless
  -- it was a team or a workflow, one in a conversation ---------------------------------------------------
  for v_who, v_kind in
    select *
    from (values
      ('owner', 'ours'), ('member', 'organization'), ('viewer', 'organization'),
      ('removed', 'organization'), ('use', 'shared'), ('edit', 'shared'), ('admin', 'organization'))
      as r (who, kind)
  loop
    v_person := access.person(tenant, v_who);
    select * into v_agent from public.agents as a where a.slug = tenant || '-' || v_kind;
    perform
      access.add_run(v_secret, v_agent, v_person, null, 'waiting'),
      access.add_run(v_secret, v_agent, v_person, null, 'failed');
    insert into public.conversations (user_id, agent_id, title)
    values (v_person, v_agent.id, v_secret)
    returning id into v_conversation;
    insert into storage.objects (bucket_id, name, owner_id)
    values (
      'attachments', v_organization || '/' || v_conversation || '/' || v_secret || '.txt', v_person);
    v_execution := access.add_run(v_secret, v_agent, v_person, v_conversation, 'failed');
    insert into public.messages (
      conversation_id, sender_type, content, attachments, execution_id, feedback, feedback_note)
    values
      (v_conversation, 'user', v_secret, jsonb_build_array(v_secret), v_execution, null, null),
      (v_conversation, 'agent', v_secret, '[]', v_execution, 'good', v_secret);
  end loop;

  -- Integrations ------------------------------------------------------------------------------------
  foreach v_who in array '{owner,member}'::text[] loop
    insert into public.integrations (
      organization_id, user_id, provider, provider_account_id, provider_account_name, last_error)
    values (
      v_organization, access.person(tenant, v_who), v_secret, v_secret, v_secret, v_secret);
  end loop;
  insert into public.webhooks (organization_id, url, events, last_delivery_status)
  values (
    v_organization, 'https://example.com/' || v_secret, '{execution.completed}', v_secret)
  returning id into v_webhook;
  insert into public.webhook_deliveries (
    webhook_id, organization_id, event_type, payload, status, response_body, next_retry_at)
  values (
    v_webhook, v_organization, v_secret, jsonb_build_object('note', v_secret), 'failed', v_secret, null);

  -- Billing -----------------------------------------------------------------------------------------
  insert into public.subscriptions (
    organization_id, stripe_subscription_id, stripe_customer_id, plan, status, cancellation_reason)
  select v_organization, v_secret, v_secret, p.name, 'active', v_secret
  from public.plans as p
  order by p.display_order
  limit 1
  returning id into v_subscription;
  insert into public.invoices (
    organization_id, subscription_id, stripe_invoice_id, invoice_number, status, subtotal_usd, total_usd,
    amount_due_usd, invoice_date, invoice_pdf_url)
  values (
    v_organization, v_subscription, v_secret, v_secret, 'open', 1, 1, 1, current_date,
    'https://example.com/' || v_secret);
  insert into public.usage_records (organization_id, period_start, period_end)
  values (v_organization, '2020-01-01', '2020-01-31');

  -- What is over ------------------------------------------------------------------------------------
  update public.agents set deleted_at = now()
  where slug in (tenant || '-deleted', tenant || '-undone');
  update public.teams set deleted_at = now()
  where organization_id = v_organization and created_by_id = v_admin;
  update public.workflows set deleted_at = now()
  where organization_id = v_organization and created_by_id = v_admin;
  v_closed := tests.create_organization(v_owner, v_secret);
  insert into public.agents (organization_id, created_by_id, slug, name, visibility)
  values (v_closed, v_owner, tenant || '-closed', tenant, 'public')
  returning * into v_agent;
  perform access.fill_agent(tenant, v_agent);
  update public.organizations set deleted_at = now() where id = v_closed;
  delete from public.organization_members
  where organization_id = v_organization and user_id = access.person(tenant, 'removed');
  update public.profiles set is_active = false where id = access.person(tenant, 'deactivated');
  perform private.seal_audit_logs();
end
$$;
