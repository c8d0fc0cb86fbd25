-- The catalog: the demo organization publishes its own agents. What moderators do, the operator of the
-- platform does here, by writing rows as in the table editor. Nobody reviews or installs what their own
-- organization offers, so there are no reviews and no installs.
do $seed$
declare
  v_operator text := current_setting('role');
  v_user_id uuid := (select u.id from auth.users as u where u.email = 'demo@example.com');
  v_organization_id uuid := (
    select m.organization_id
    from public.organization_members as m
      join public.organizations as o on o.id = m.organization_id
    where m.user_id = v_user_id and o.is_personal);
  v_revision record;
  v_listing_id uuid;
begin
  if v_organization_id is null or exists (
    select from public.marketplace_listings as l where l.organization_id = v_organization_id
  ) then
    return;
  end if;
  perform private.act_as(v_user_id, 'user'), set_config('role', 'authenticated', true);

  insert into public.marketplace_listings (organization_id, agent_id)
  select v_organization_id, a.id
  from public.agents as a
  where a.organization_id = v_organization_id and a.external_key like 'demo:%'
  order by a.id;

  -- What becomes of each: approved, then perhaps followed by another; or left to wait, or as a draft.
  for v_revision in
    select l.id as listing_id, i.id as industry_id, r.*
    from (
      values
        (1, 'approved', 'demo:release-notes', 'Technology', 'Engineering', 'free'::public.pricing_model, null::numeric,
          'Release notes writer',
          'Turns merged changes into release notes.',
          'Paste the commits of a release and get notes by kind of change.',
          'Product teams that ship every week.'),
        (2, 'approved', 'demo:release-notes', 'Technology', 'Engineering', 'free', null,
          'Release notes writer',
          'Turns a list of merged changes into release notes that users understand.',
          E'Paste the commits of a release. You get notes under Added, Changed and Fixed, one sentence for each change, in the words of the people who use your product.\n\nRefactorings and ticket numbers are left out. Pick the audience (end users, administrators or developers) and the tone; the version number is checked before anything runs.',
          'A product team that ships every week and wants its changelog read.'),
        (3, 'approved', 'demo:ticket-triage', 'Retail', 'Support', 'subscription', 19,
          'Support ticket triage',
          'Gives every ticket a category, an urgency and a next step.',
          E'Reads a ticket as the customer wrote it and answers in three lines that your help desk can parse. Lost data and lost money are never less than high.\n\nYou choose the categories. Tickets in other languages are answered in their language, and instructions inside a ticket are not followed.',
          'A support desk where someone sorts the inbox by hand every morning.'),
        (4, 'approved', 'demo:sql-reviewer', 'Technology', 'Engineering', 'one_time', 49,
          'SQL migration reviewer',
          'Finds locks, rewrites and lost data in a PostgreSQL migration before it runs.',
          E'Give it a migration, your PostgreSQL version and the size of your largest table. For each statement that takes a strong lock, rewrites a table or can lose data, it says what happens under load and shows the safe form.\n\nIf all is well, it says so in one line.',
          'A pull request with a migration, and nobody around who has been paged for one.'),
        (5, 'approved', 'demo:meeting-brief', 'Finance', 'Operations', 'free', null,
          'Meeting brief',
          'One decision, an agenda that adds up, three questions worth asking.',
          E'From a goal and your notes, it names the decision that the meeting has to reach, divides the minutes, and writes three questions that move it forward.\n\nWorks for five minutes in the corridor and for half a day of planning.',
          'Anyone who has ten minutes to prepare an hour for eight people.'),
        (6, 'approved', 'demo:json-extractor', 'Manufacturing', 'Data', 'usage_based', 0.02,
          'Structured data extractor',
          'Pulls the fields of a JSON schema out of free text.',
          E'Send a text and a JSON schema; get one JSON value that fits it. What the text does not say is null, never a guess.\n\nDelivery notes, e-mails, inspection reports: whatever arrives as prose leaves as data.',
          'Delivery notes and inspection reports that have to get into a database.'),
        (7, 'approved', 'demo:translator', 'Legal', 'Writing', 'free', null,
          'Careful translator',
          'Translates, and lists the places where the meaning could go two ways.',
          E'Names, numbers and formatting stay as they are. After the translation comes a list of every passage that could mean two things, with the reading that was chosen and why.\n\nSix languages: English, German, French, Spanish, Turkish and Japanese.',
          'A contract clause that two parties will read in two languages.'),
        (8, 'approved', 'demo:writing-coach', 'Education', 'Writing', 'subscription', 6,
          'Writing coach',
          'Names the one change that helps your reader most, then the next.',
          E'A coach, not a ghostwriter: it reads your text as its audience would, shows one change on a sentence of yours, and waits. Your voice stays yours.\n\nIt remembers how you like to write, and you can see, correct and delete what it remembers.',
          'People who write for others every day and want to need less help with it.'),
        (9, 'pending', 'demo:sql-reviewer', 'Technology', 'Engineering', 'one_time', 59,
          'SQL migration reviewer',
          'Finds locks, rewrites and lost data in a PostgreSQL migration before it runs.',
          E'Give it a migration, your PostgreSQL version (14 to 18) and the size of your largest table. For each statement that takes a strong lock, rewrites a table or can lose data, it says what happens under load, for how long, and shows the safe form step by step.\n\nIf all is well, it says so in one line.',
          'A pull request with a migration, and nobody around who has been paged for one.'),
        (10, 'draft', 'demo:needs-a-key', 'Education', 'Research', 'free', null,
          'Research assistant',
          'Separates what is established from what is contested.',
          '',
          'The first hour of looking into something new.')
    ) as r (place, fate, external_key, industry, category, pricing_model, price_usd, title,
        short_description, long_description, use_case)
      join public.agents as a on a.organization_id = v_organization_id and a.external_key = r.external_key
      join public.marketplace_listings as l on l.agent_id = a.id
      join public.industries as i on i.name = r.industry
    order by r.place
  loop
    insert into public.listing_revisions (listing_id, title, short_description, long_description,
      use_case, category, industry_id, pricing_model, price_usd)
    values (v_revision.listing_id, v_revision.title, v_revision.short_description,
      v_revision.long_description, v_revision.use_case, v_revision.category, v_revision.industry_id,
      v_revision.pricing_model, v_revision.price_usd);
    continue when v_revision.fate = 'draft';
    perform public.submit_listing(v_revision.listing_id);
    continue when v_revision.fate = 'pending';

    perform set_config('role', v_operator, true), set_config('request.jwt.claims', '', true);
    update public.listing_revisions as r
    set status = 'approved'
    where r.listing_id = v_revision.listing_id and r.status = 'pending_review';
    perform private.act_as(v_user_id, 'user'), set_config('role', 'authenticated', true);
  end loop;

  insert into public.favorites (agent_id)
  select a.id
  from public.agents as a
  where a.organization_id = v_organization_id
    and a.external_key in ('demo:sql-reviewer', 'demo:meeting-brief', 'demo:writing-coach');

  insert into public.collections (name, description, is_public)
  values
    ('Release day', 'From the last migration to the note that users read.', true),
    ('Words that work', 'For everything that other people have to read.', false);
  insert into public.collection_items (collection_id, agent_id, display_order)
  select c.id, a.id, i.display_order
  from (
    values
      ('Release day', 'demo:sql-reviewer', 0),
      ('Release day', 'demo:release-notes', 1),
      ('Release day', 'demo:ticket-triage', 2),
      ('Words that work', 'demo:writing-coach', 0),
      ('Words that work', 'demo:translator', 1)
  ) as i (collection, external_key, display_order)
    join public.collections as c on c.user_id = v_user_id and c.name = i.collection
    join public.agents as a on a.organization_id = v_organization_id and a.external_key = i.external_key;

  -- Approvals have left a notice each; the last two are news.
  update public.notifications as n
  set read_at = now()
  where n.id not in (
    select l.id from public.notifications as l where l.user_id = v_user_id order by l.id desc limit 2);

  -- The operator again: the featured shelf, and at once what upkeep would do within the hour.
  perform set_config('role', v_operator, true), set_config('request.jwt.claims', '', true);
  update public.marketplace_listings as l
  set is_featured = true
  where l.organization_id = v_organization_id and l.category in ('Engineering', 'Support') and l.is_live;
  perform private.fold_agent_counters();
  perform private.refresh_trending();
end
$seed$;
