-- Runs and conversations. One run needs a provider's token and fails for want of it, so that there is an
-- error to look at. Messages of a conversation are sent before anybody answers; the worker answers them
-- one after the other.
do $seed$
declare
  v_operator text := current_setting('role');
  v_user_id uuid := (select u.id from auth.users as u where u.email = 'demo@example.com');
  v_organization_id uuid := (
    select m.organization_id
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
    where m.user_id = v_user_id and o.is_personal);
  v_conversation record;
  v_conversation_id uuid;
  v_message text;
begin
  if v_organization_id is null or exists (
    select from public.conversations as c where c.organization_id = v_organization_id
  ) then
    return;
  end if;
  perform private.act_as(v_user_id, 'user'), set_config('role', 'authenticated', true);

  perform public.run_agent(a.id, r.input)
  from (
    values
      (1, 'demo:release-notes', '{"parameters": {"version": "2.4.0", "release date": "2026-11-20", "changes": "fix: the export no longer drops the last row\nfeat: runs can be cancelled from the list\nchore: bump dependencies"}}'::jsonb),
      (2, 'demo:ticket-triage', '{"parameters": {"ticket": "I was charged twice this month and cannot find an invoice for either payment. Please help before Friday.", "paid plan": true}}'),
      (3, 'demo:sql-reviewer', '{"parameters": {"migration": "alter table orders add column region text not null default ''eu'';\ncreate index on orders (region);", "rows": 40000000}}'),
      (4, 'demo:meeting-brief', '{"parameters": {"goal": "Choose the billing provider", "minutes": 45}, "message": "Two offers are in; the contract of the present one ends in March."}'),
      (5, 'demo:json-extractor', '{"parameters": {"text": "The workshop with Northwind moves to 3 December 2026."}}'),
      (6, 'demo:translator', '{"parameters": {"text": "Der Vertrag läuft zum Monatsende aus.", "language": "English"}}'),
      (7, 'demo:ticket-triage', '{"parameters": {"ticket": "Where do I change the colour of the charts?"}}'),
      (8, 'demo:needs-a-key', '{"parameters": {"question": "Does spaced repetition help adults learn a language?"}}')
  ) as r (place, external_key, input)
    join public.agents as a on a.organization_id = v_organization_id and a.external_key = r.external_key
  order by r.place;

  for v_conversation in
    select a.id as agent_id, c.*
    from (
      values
        (1, 'demo:sql-reviewer', 'A region for every order',
          '{"migration": "alter table orders add column region text;\nupdate orders set region = ''eu'';\nalter table orders alter column region set not null;", "rows": 40000000}'::jsonb,
          array[
            'Can this run during the day? Orders come in at about 50 a second.',
            'A lock of two seconds is the most that checkout forgives.',
            'If it has to be split up, which part can go out with today''s release?']),
        (2, 'demo:meeting-brief', 'Quarterly planning',
          '{"goal": "Agree on three goals for the first quarter", "minutes": 60}',
          array[
            'Eight people take part, half of them remotely. Last quarter we set seven goals and met two.',
            'Sales wants the mobile app; support wants fewer bugs. Give both ten minutes at the start.']),
        (3, 'demo:writing-coach', 'Price change announcement',
          '{"audience": "customers on the oldest plan"}',
          array[
            'Here is my opening: "As part of our ongoing commitment to delivering value, we are pleased to share an update to our pricing structure."',
            'The facts: the plan goes from $8 to $10 on 1 February, for the first time in four years. Whoever pays yearly keeps the old price until renewal.',
            'I do not want it to sound like an apology.']),
        (4, 'demo:writing-coach', null, '{}',
          array[
            'How do I decline a meeting with my manager''s manager in two sentences?',
            'The reason: it collides with the release, and the decision does not need me.'])
    ) as c (place, external_key, title, parameters, messages)
      join public.agents as a
        on a.organization_id = v_organization_id and a.external_key = c.external_key
    order by c.place
  loop
    insert into public.conversations (agent_id, parameters, title)
    values (v_conversation.agent_id, v_conversation.parameters, v_conversation.title)
    returning id into v_conversation_id;
    foreach v_message in array v_conversation.messages loop
      perform public.send_message(v_conversation_id, v_message);
    end loop;
  end loop;

  perform set_config('role', v_operator, true), set_config('request.jwt.claims', '', true);
end
$seed$;
