-- A team of each type with a run, two workflows, three schedules. The schedules that are on run agents;
-- the one that runs a workflow is off.
do $seed$
declare
  v_operator text := current_setting('role');
  v_user_id uuid := (select u.id from auth.users as u where u.email = 'demo@example.com');
  v_organization_id uuid := (
    select m.organization_id
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
    where m.user_id = v_user_id and o.is_personal);
  v_part record;
  v_ticket_graph text := $graph${
    "nodes": [
      {"id": "__start__", "type": "schema", "data": {"name": "Ticket"}},
      {"id": "triage", "type": "runnable", "data": {"name": "Triage", "agent_id": "demo:ticket-triage"}},
      {"id": "translate", "type": "runnable", "data": {"name": "Translate the answer", "agent_id": "demo:translator"}},
      {"id": "__end__", "type": "schema", "data": {"name": "Answer"}}
    ],
    "edges": [
      {"source": "__start__", "target": "triage"},
      {"source": "triage", "target": "translate", "conditional": true, "data": "not in English"},
      {"source": "triage", "target": "__end__", "conditional": true, "data": "in English"},
      {"source": "translate", "target": "__end__"}
    ]
  }$graph$;
  v_escalation_graph text := $graph${
    "nodes": [
      {"id": "__start__", "type": "schema", "data": {"name": "Ticket"}},
      {"id": "triage", "type": "runnable", "data": {"name": "Triage", "agent_id": "demo:ticket-triage"}},
      {"id": "brief", "type": "runnable", "data": {"name": "Brief the call", "agent_id": "demo:meeting-brief"}},
      {"id": "answer", "type": "runnable", "data": {"name": "Front desk", "team_id": "team:front-desk"}},
      {"id": "translate", "type": "runnable", "data": {"name": "Translate the answer", "agent_id": "demo:translator"}},
      {"id": "__end__", "type": "schema", "data": {"name": "Answer"}}
    ],
    "edges": [
      {"source": "__start__", "target": "triage"},
      {"source": "triage", "target": "brief", "conditional": true, "data": "critical"},
      {"source": "triage", "target": "answer", "conditional": true, "data": "anything else"},
      {"source": "brief", "target": "__end__"},
      {"source": "answer", "target": "translate", "conditional": true, "data": "not in English"},
      {"source": "answer", "target": "__end__", "conditional": true, "data": "in English"},
      {"source": "translate", "target": "__end__"}
    ]
  }$graph$;
  v_release_graph text := $graph${
    "recursion_limit": 12,
    "nodes": [
      {"id": "__start__", "type": "schema", "data": {"name": "Merged changes"}},
      {"id": "review", "type": "runnable", "data": {"name": "Review the migration", "agent_id": "demo:sql-reviewer"}},
      {"id": "notes", "type": "runnable", "data": {"name": "Write the notes", "agent_id": "demo:release-notes"}},
      {"id": "coach", "type": "runnable", "data": {"name": "Read as a user", "agent_id": "demo:writing-coach"}},
      {"id": "translate", "type": "runnable", "data": {"name": "Translate", "agent_id": "demo:translator"}},
      {"id": "__end__", "type": "schema", "data": {"name": "Published notes"}}
    ],
    "edges": [
      {"source": "__start__", "target": "review"},
      {"source": "__start__", "target": "notes"},
      {"source": "notes", "target": "coach"},
      {"source": "coach", "target": "notes", "conditional": true, "data": "still unclear"},
      {"source": "coach", "target": "translate", "conditional": true, "data": "clear"},
      {"source": "review", "target": "__end__"},
      {"source": "translate", "target": "__end__"}
    ]
  }$graph$;
begin
  if v_organization_id is null or exists (
    select from public.teams as t where t.organization_id = v_organization_id
  ) then
    return;
  end if;
  perform private.act_as(v_user_id, 'user'), set_config('role', 'authenticated', true);

  insert into public.teams (organization_id, name, slug, type, description, leader_prompt)
  values
    (v_organization_id, 'Front desk', 'front-desk', 'route',
      'One address for whatever comes in: the leader hands it to whoever answers it best.',
      'Tickets go to triage. Texts in another language go to the translator. Everything about wording goes to the coach.'),
    (v_organization_id, 'Release desk', 'release-desk', 'coordinate',
      'Turns what was merged into notes, in every language that users read.',
      'Have the notes written first, then translated. Hand over the finished notes, not a report about them.'),
    (v_organization_id, 'Editorial board', 'editorial-board', 'collaborate',
      'Several readers look at the same text; the leader says where they agree.',
      'Begin with what all members would change. Quote the text, at most five words at a time.');
  insert into public.team_agents (team_id, agent_id, position)
  select t.id, a.id, m.position
  from (
    values
      ('front-desk', 'demo:ticket-triage', 0),
      ('front-desk', 'demo:translator', 1),
      ('front-desk', 'demo:writing-coach', 2),
      ('release-desk', 'demo:release-notes', 0),
      ('release-desk', 'demo:translator', 1),
      ('editorial-board', 'demo:writing-coach', 0),
      ('editorial-board', 'demo:translator', 1)
  ) as m (team, agent, position)
    join public.teams as t on t.organization_id = v_organization_id and t.slug = m.team
    join public.agents as a on a.organization_id = v_organization_id and a.external_key = m.agent;
  perform public.run_team(t.id, r.input)
  from (
    values
      ('front-desk', '{"message": "What should we answer?", "parameters": {"ticket": "The export has been running for six hours, and the audit is tomorrow."}}'::jsonb),
      ('release-desk', '{"message": "Notes for the release of today, in English and German.", "parameters": {"version": "2.4.1", "changes": "fix: long names no longer break the invoice\nfeat: keyboard shortcuts for the run view", "language": "German"}}'),
      ('editorial-board', '{"message": "Is this clear to somebody who has never seen the product?", "parameters": {"text": "Agents are published in versions. A run names the version that it ran.", "language": "French"}}')
  ) as r (team, input)
    join public.teams as t on t.organization_id = v_organization_id and t.slug = r.team
  order by t.id;

  for v_part in
    select a.external_key as name, a.id
    from public.agents as a
    where a.organization_id = v_organization_id and a.external_key like 'demo:%'
    union all
    select 'team:' || t.slug, t.id from public.teams as t where t.organization_id = v_organization_id
  loop
    v_ticket_graph := replace(v_ticket_graph, format('"%s"', v_part.name), format('"%s"', v_part.id));
    v_escalation_graph := replace(
      v_escalation_graph, format('"%s"', v_part.name), format('"%s"', v_part.id));
    v_release_graph := replace(v_release_graph, format('"%s"', v_part.name), format('"%s"', v_part.id));
  end loop;
  insert into public.workflows (organization_id, name, slug, description, definition)
  values
    (v_organization_id, 'Ticket to answer', 'ticket-to-answer',
      'Triages a ticket, briefs a call when it is critical, and answers in the customer''s language.',
      v_ticket_graph::jsonb),
    (v_organization_id, 'Release day', 'release-day',
      'Reviews the migration while the notes are written, read and translated.',
      v_release_graph::jsonb);
  -- A second version, so that there is something to compare.
  update public.workflows as w
  set definition = v_escalation_graph::jsonb
  where w.organization_id = v_organization_id and w.slug = 'ticket-to-answer';

  insert into public.schedules
    (organization_id, agent_id, name, frequency, time_of_day, days_of_week, timezone, input)
  select v_organization_id, a.id, s.name, s.frequency::public.schedule_frequency, s.time_of_day::time,
    s.days_of_week, s.timezone, s.input
  from (
    values
      ('demo:meeting-brief', 'Brief for the stand-up', 'daily', '08:45', null::smallint[],
        'Europe/Berlin', '{"message": "Whoever is blocked speaks first.", "parameters": {"goal": "Decide what we finish today", "minutes": 15}}'::jsonb),
      ('demo:writing-coach', 'Writing exercise of the week', 'weekly', '16:00', '{5}',
        'America/New_York', '{"message": "Give me one exercise for clearer writing. It should take ten minutes."}')
  ) as s (external_key, name, frequency, time_of_day, days_of_week, timezone, input)
    join public.agents as a on a.organization_id = v_organization_id and a.external_key = s.external_key;
  insert into public.schedules
    (organization_id, workflow_id, name, enabled, frequency, time_of_day, day_of_month, timezone, input)
  select v_organization_id, w.id, 'Notes at the end of the month', false, 'monthly', '09:00', 31, 'Asia/Tokyo',
    '{"parameters": {"version": "3.0.0", "changes": "feat: workflows", "migration": "select 1;"}}'
  from public.workflows as w
  where w.organization_id = v_organization_id and w.slug = 'release-day';

  perform set_config('role', v_operator, true), set_config('request.jwt.claims', '', true);
end
$seed$;
