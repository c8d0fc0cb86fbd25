-- migrate:up

-- Billing: what an organization may use (plans), what it pays for (subscriptions, invoices, and the
-- purchases of the catalog: Stripe's word, told by events), and what it has used (usage_records: added
-- up from facts that others keep).

-- ---------------------------------------------------------------------------------------------------
-- plans: reference data. An organization that comes to a plan gets its limits; editing a plan changes
-- nothing for those who are on it already, so that nobody loses what they were sold.
-- ---------------------------------------------------------------------------------------------------
create table public.plans (
  name text primary key
    constraint name_is_lowercase_letters check (name ~ '^[a-z]+$'),
  title text not null,
  description text not null,
  display_order integer not null unique,
  price_usd_per_month numeric(10, 2)
    constraint price_is_not_negative check (price_usd_per_month >= 0),
  usd_per_execution numeric(10, 6) not null default 0
    constraint execution_price_is_not_negative check (usd_per_execution >= 0),
  usd_per_gb_month numeric(10, 6) not null default 0
    constraint storage_price_is_not_negative check (usd_per_gb_month >= 0),
  max_agents integer not null check (max_agents >= 0),
  max_executions_per_month integer not null check (max_executions_per_month >= 0),
  max_team_members integer not null check (max_team_members > 0),
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.plans enable row level security;

create trigger _100_set_updated_at before update on public.plans
  for each row execute function private.tg_set_updated_at();

-- NOTE: nobody writes over the API; plans are the operator's, edited in Studio.
grant select on public.plans to anon, authenticated;

create policy plans_select_anyone on public.plans
  for select to anon, authenticated
  using (true);
create policy plans_select_scope on public.plans as restrictive
  for select to authenticated
  using ((select private.has_scope('catalog:read')));

comment on table public.plans is
  E'What organizations can subscribe to, with limits and prices.\nAnyone reads. Order by display_order; offer those that are active.';
comment on column public.plans.name is 'What organizations.plan names. The Stripe prices of a plan have the lookup keys <name>_monthly and <name>_yearly.';
comment on column public.plans.display_order is 'From the smallest plan to the largest; of several subscriptions the largest plan counts.';
comment on column public.plans.price_usd_per_month is 'Null: by agreement.';
comment on column public.plans.usd_per_execution is 'What a run costs besides its tokens.';
comment on column public.plans.usd_per_gb_month is 'What 1,000,000,000 bytes of files cost a month.';
comment on column public.plans.is_active is 'Whether it is offered; organizations on it keep it.';

insert into public.plans (name, title, description, display_order, price_usd_per_month,
  usd_per_execution, usd_per_gb_month, max_agents, max_executions_per_month, max_team_members)
values
  ('free', 'Free', 'To try everything, alone or with a few others.', 1, 0, 0, 0, 10, 1000, 5),
  ('starter', 'Starter', 'For a few agents that work every day.', 2, 19, 0.002, 0.02, 25, 5000, 10),
  ('pro', 'Pro', 'For professionals who run many agents.', 3, 49, 0.001, 0.02, 100, 25000, 20),
  ('team', 'Team', 'For teams that share agents and budgets.', 4, 199, 0.0005, 0.02, 500, 100000, 50),
  ('enterprise', 'Enterprise', 'For organizations with needs of their own.', 5, null, 0, 0.02,
    10000, 1000000, 1000);

alter table public.organizations
  add constraint plan_exists foreign key (plan) references public.plans (name);
-- The foreign key.
create index organizations_plan_idx on public.organizations (plan);

create function private.tg_organizations__apply_plan() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  v_plan public.plans;
begin
  select * into v_plan from public.plans as p where p.name = new.plan;
  if not found then
    -- The foreign key refuses it in a moment.
    return new;
  end if;
  -- A limit that is written in the same statement was agreed upon.
  if new.max_agents = old.max_agents then
    new.max_agents := v_plan.max_agents;
  end if;
  if new.max_executions_per_month = old.max_executions_per_month then
    new.max_executions_per_month := v_plan.max_executions_per_month;
  end if;
  if new.max_team_members = old.max_team_members then
    new.max_team_members := v_plan.max_team_members;
  end if;
  return new;
end
$$;
comment on function private.tg_organizations__apply_plan() is
  'A change of plan, by Stripe or by hand, brings its limits. What exceeds smaller ones stays; more of it is refused.';
create trigger _300_apply_plan before update of plan on public.organizations
  for each row when (old.plan is distinct from new.plan and new.plan is not null)
  execute function private.tg_organizations__apply_plan();

-- ---------------------------------------------------------------------------------------------------
-- subscriptions: as Stripe tells of them.
-- ---------------------------------------------------------------------------------------------------
create table public.subscriptions (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations (id) on delete cascade,
  stripe_subscription_id text not null unique,
  stripe_customer_id text not null,
  plan text not null references public.plans (name),
  status text not null
    constraint status_is_known check (
      status in ('incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'cancelled')),
  current_period_start timestamptz,
  current_period_end timestamptz,
  trial_start timestamptz,
  trial_end timestamptz,
  cancel_at timestamptz,
  cancelled_at timestamptz,
  cancellation_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, organization_id)
);
alter table public.subscriptions enable row level security;

-- An organization's subscriptions, newest first.
create index subscriptions_organization_id_idx
  on public.subscriptions (organization_id, created_at desc, id);
-- The foreign key.
create index subscriptions_plan_idx on public.subscriptions (plan);
-- What upkeep ends.
create index subscriptions_cancel_at_idx on public.subscriptions (cancel_at)
  where cancel_at is not null and status <> 'cancelled';

create trigger _100_set_updated_at before update on public.subscriptions
  for each row execute function private.tg_set_updated_at();

-- NOTE: written by apply_stripe_event() alone.
grant select on public.subscriptions to authenticated;

create policy subscriptions_select_admin on public.subscriptions
  for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
-- No key has this scope: billing is for people.
create policy subscriptions_select_scope on public.subscriptions as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.subscriptions is
  E'What an organization has subscribed to, as Stripe tells it.\nAdmins read. An organization without one is on the plan that it was given.';
comment on column public.subscriptions.status is
  'trialing, active and past_due give the plan; incomplete, unpaid, paused and cancelled do not. One that was cancelled stays active until cancel_at.';
comment on column public.subscriptions.cancel_at is 'When it ends or ended; null while it goes on.';
comment on column public.subscriptions.cancelled_at is 'When somebody cancelled it.';
comment on column public.subscriptions.cancellation_reason is 'What the customer said, or why Stripe ended it.';

-- ---------------------------------------------------------------------------------------------------
-- invoices: as Stripe tells of them.
-- ---------------------------------------------------------------------------------------------------
create table public.invoices (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null references public.organizations (id) on delete cascade,
  subscription_id uuid,
  stripe_invoice_id text not null unique,
  invoice_number text,
  status text not null
    constraint status_is_known check (status in ('draft', 'open', 'paid', 'void', 'uncollectible')),
  subtotal_usd numeric(12, 2) not null,
  tax_usd numeric(12, 2) not null default 0,
  total_usd numeric(12, 2) not null,
  amount_paid_usd numeric(12, 2) not null default 0,
  amount_due_usd numeric(12, 2) not null,
  invoice_date date not null,
  due_date date,
  paid_at timestamptz,
  invoice_pdf_url text
    constraint invoice_pdf_url_is_a_web_address check (invoice_pdf_url like 'https://%'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Both move when Stripe says that the customer is another organization's.
  foreign key (subscription_id, organization_id)
    references public.subscriptions (id, organization_id)
    on update cascade on delete set null (subscription_id)
);
alter table public.invoices enable row level security;

-- An organization's invoices, newest first.
create index invoices_organization_id_idx on public.invoices (organization_id, invoice_date desc, id);
-- The foreign key.
create index invoices_subscription_id_idx on public.invoices (subscription_id);

create trigger _100_set_updated_at before update on public.invoices
  for each row execute function private.tg_set_updated_at();

-- NOTE: written by apply_stripe_event() alone.
grant select on public.invoices to authenticated;

create policy invoices_select_admin on public.invoices
  for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('admin'))));
create policy invoices_select_scope on public.invoices as restrictive
  for select to authenticated
  using ((select private.has_scope('personal')));

comment on table public.invoices is
  E'Invoices, as Stripe tells of them.\nAdmins read.';
comment on column public.invoices.invoice_pdf_url is 'Where Stripe shows it to whoever knows the address; null for drafts.';

-- ---------------------------------------------------------------------------------------------------
-- Stripe's events. They come repeatedly and in any order. So of every object only what its newest event
-- said is kept, and subscriptions, invoices and the plan are derived from that: whatever the order, the
-- end is the same. What a customer's object says before anybody said whose customer it is waits here.
-- ---------------------------------------------------------------------------------------------------
create table private.stripe_events (
  id text primary key,
  type text not null,
  received_at timestamptz not null default now()
);
-- What upkeep forgets.
create index stripe_events_received_at_idx on private.stripe_events (received_at);
comment on table private.stripe_events is
  'Events that have been applied. Stripe repeats them for days; older repeats are harmless, because newer ones have been heard.';

create table private.stripe_objects (
  id text primary key,
  customer_id text,
  kind text not null check (kind in ('customer', 'subscription', 'invoice', 'refund')),
  facts jsonb not null,
  event_created_at timestamptz not null,
  event_rank integer not null,
  event_id text not null
);
-- Everything of a customer.
create index stripe_objects_customer_id_idx on private.stripe_objects (customer_id);
comment on table private.stripe_objects is
  'What the newest event of each Stripe object said, named as in our columns: no names, addresses or cards. A customer''s fact is its organization. A refund has the id of its payment.';
comment on column private.stripe_objects.customer_id is 'Null: who paid is no customer at Stripe.';
comment on column private.stripe_objects.event_rank is
  'Stripe''s times are whole seconds: of two events of one second the one that is further along counts.';

create function private.stripe_time(value jsonb) returns timestamptz
language sql immutable
set search_path = ''
as $$
  select to_timestamp((value #>> '{}')::numeric::double precision)
$$;
comment on function private.stripe_time(jsonb) is 'A point in time as Stripe writes it, seconds since 1970; null for null.';

create function private.stripe_subscription_facts(subscription jsonb) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  v_plan text;
  v_item jsonb;
begin
  select p.name, i.item into v_plan, v_item
  from jsonb_array_elements(subscription #> '{items,data}') as i (item)
    join public.plans as p on p.name = split_part(i.item #>> '{price,lookup_key}', '_', 1)
  order by p.display_order desc
  limit 1;
  if not found then
    raise sqlstate 'PT409' using
      message = format('Subscription %s is for no plan of ours.', subscription ->> 'id'),
      detail = 'stripe_price_unknown',
      hint = 'Give its Stripe price the lookup key <plan>_monthly or <plan>_yearly; Stripe sends the event again.';
  end if;
  -- Stripe moved the period from the subscription to its items in 2025.
  return jsonb_build_object(
    'plan', v_plan,
    'status', subscription ->> 'status',
    'current_period_start', private.stripe_time(
      coalesce(v_item -> 'current_period_start', subscription -> 'current_period_start')),
    'current_period_end', private.stripe_time(
      coalesce(v_item -> 'current_period_end', subscription -> 'current_period_end')),
    'trial_start', private.stripe_time(subscription -> 'trial_start'),
    'trial_end', private.stripe_time(subscription -> 'trial_end'),
    'ends_at', coalesce(
      private.stripe_time(subscription -> 'ended_at'),
      private.stripe_time(subscription -> 'cancel_at'),
      case
        when subscription ->> 'status' in ('canceled', 'incomplete_expired')
          or subscription -> 'cancel_at_period_end' = 'true'
        then private.stripe_time(
          coalesce(v_item -> 'current_period_end', subscription -> 'current_period_end'))
      end),
    'cancelled_at', private.stripe_time(subscription -> 'canceled_at'),
    'cancellation_reason', coalesce(
      nullif(subscription #>> '{cancellation_details,comment}', ''),
      subscription #>> '{cancellation_details,feedback}',
      subscription #>> '{cancellation_details,reason}'),
    'created_at', private.stripe_time(subscription -> 'created'));
end
$$;
comment on function private.stripe_subscription_facts(jsonb) is
  'What counts of a Stripe subscription; raises stripe_price_unknown when none of its prices is a plan''s.';

create function private.stripe_invoice_facts(invoice jsonb, is_deleted boolean) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  if invoice ->> 'currency' is distinct from 'usd' then
    raise sqlstate 'PT400' using
      message = format('Invoice %s is not in US dollars.', invoice ->> 'id'),
      detail = 'stripe_event_invalid',
      hint = 'Plans are sold in US dollars; give them prices in that currency only.';
  end if;
  return jsonb_build_object(
    'is_deleted', is_deleted,
    'stripe_subscription_id', coalesce(
      invoice ->> 'subscription', invoice #>> '{parent,subscription_details,subscription}'),
    'invoice_number', invoice ->> 'number',
    'status', invoice ->> 'status',
    'subtotal_usd', (invoice ->> 'subtotal')::numeric / 100,
    'tax_usd', coalesce(
      (invoice ->> 'tax')::numeric,
      (select sum((t.tax ->> 'amount')::numeric)
       from jsonb_array_elements(
         case jsonb_typeof(invoice -> 'total_taxes') when 'array' then invoice -> 'total_taxes' end) as t (tax)),
      0) / 100,
    'total_usd', (invoice ->> 'total')::numeric / 100,
    'amount_paid_usd', coalesce((invoice ->> 'amount_paid')::numeric, 0) / 100,
    'amount_due_usd', (invoice ->> 'amount_due')::numeric / 100,
    'invoice_date', (coalesce(
      private.stripe_time(invoice -> 'effective_at'), private.stripe_time(invoice -> 'created'))
      at time zone 'UTC')::date,
    'due_date', (private.stripe_time(invoice -> 'due_date') at time zone 'UTC')::date,
    'paid_at', private.stripe_time(invoice #> '{status_transitions,paid_at}'),
    'invoice_pdf_url', invoice ->> 'invoice_pdf',
    'created_at', private.stripe_time(invoice -> 'created'));
end
$$;
comment on function private.stripe_invoice_facts(jsonb, boolean) is
  'What counts of a Stripe invoice, in US dollars; a draft may have been deleted.';

create function private.keep_stripe_object(
  id text,
  customer_id text,
  kind text,
  facts jsonb,
  created_at timestamptz,
  rank integer,
  event_id text
) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  insert into private.stripe_objects as o
  values (
    keep_stripe_object.id, keep_stripe_object.customer_id, keep_stripe_object.kind,
    keep_stripe_object.facts, keep_stripe_object.created_at, keep_stripe_object.rank,
    keep_stripe_object.event_id)
  on conflict on constraint stripe_objects_pkey do update
  set customer_id = excluded.customer_id,
    facts = excluded.facts,
    event_created_at = excluded.event_created_at,
    event_rank = excluded.event_rank,
    event_id = excluded.event_id
  where (o.event_created_at, o.event_rank, o.event_id)
    < (excluded.event_created_at, excluded.event_rank, excluded.event_id);
  return found;
end
$$;
comment on function private.keep_stripe_object(text, text, text, jsonb, timestamptz, integer, text) is
  'Keeps what an event said of an object, unless a newer one was heard before; answers with whether it did.';

create function private.lock_stripe_object(id text) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('apply_stripe_event ' || lock_stripe_object.id, 0));
end
$$;
comment on function private.lock_stripe_object(text) is
  'Until the end of the transaction, nobody else keeps or settles what Stripe says of a customer or a payment.';

-- ---------------------------------------------------------------------------------------------------
-- From facts to rows
-- ---------------------------------------------------------------------------------------------------

create function private.settle_stripe_customer(customer_id text) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_organization_id uuid;
  v_formerly uuid[];
begin
  perform private.lock_stripe_object(settle_stripe_customer.customer_id);
  select o.id into v_organization_id
  from private.stripe_objects as c
    join public.organizations as o on o.id = (c.facts ->> 'organization_id')::uuid
  where c.id = settle_stripe_customer.customer_id and c.kind = 'customer';
  if not found then
    return;
  end if;

  v_formerly := array(
    select distinct s.organization_id
    from public.subscriptions as s
    where s.stripe_customer_id = settle_stripe_customer.customer_id
      and s.organization_id <> v_organization_id);

  insert into public.subscriptions as s (organization_id, stripe_subscription_id, stripe_customer_id,
    plan, status, current_period_start, current_period_end, trial_start, trial_end, cancel_at,
    cancelled_at, cancellation_reason, created_at)
  select v_organization_id, o.id, o.customer_id, f.plan,
    case
      when f.ends_at <= now() then 'cancelled'
      when f.status in ('canceled', 'incomplete_expired') then
        case when f.ends_at > now() then 'active' else 'cancelled' end
      else f.status
    end,
    f.current_period_start, f.current_period_end, f.trial_start, f.trial_end, f.ends_at,
    f.cancelled_at, f.cancellation_reason, coalesce(f.created_at, now())
  from private.stripe_objects as o,
    jsonb_to_record(o.facts) as f (plan text, status text, current_period_start timestamptz,
      current_period_end timestamptz, trial_start timestamptz, trial_end timestamptz,
      ends_at timestamptz, cancelled_at timestamptz, cancellation_reason text, created_at timestamptz)
  where o.customer_id = settle_stripe_customer.customer_id and o.kind = 'subscription'
  on conflict (stripe_subscription_id) do update
  set organization_id = excluded.organization_id,
    stripe_customer_id = excluded.stripe_customer_id,
    plan = excluded.plan,
    status = excluded.status,
    current_period_start = excluded.current_period_start,
    current_period_end = excluded.current_period_end,
    trial_start = excluded.trial_start,
    trial_end = excluded.trial_end,
    cancel_at = excluded.cancel_at,
    cancelled_at = excluded.cancelled_at,
    cancellation_reason = excluded.cancellation_reason;

  delete from public.invoices as i
  using private.stripe_objects as o
  where o.customer_id = settle_stripe_customer.customer_id
    and o.kind = 'invoice'
    and o.facts -> 'is_deleted' = 'true'
    and i.stripe_invoice_id = o.id;
  insert into public.invoices as i (organization_id, subscription_id, stripe_invoice_id,
    invoice_number, status, subtotal_usd, tax_usd, total_usd, amount_paid_usd, amount_due_usd,
    invoice_date, due_date, paid_at, invoice_pdf_url, created_at)
  select v_organization_id, s.id, o.id, f.invoice_number, f.status, f.subtotal_usd, f.tax_usd,
    f.total_usd, f.amount_paid_usd, f.amount_due_usd, f.invoice_date, f.due_date, f.paid_at,
    f.invoice_pdf_url, coalesce(f.created_at, now())
  from private.stripe_objects as o
    cross join jsonb_to_record(o.facts) as f (stripe_subscription_id text, invoice_number text,
      status text, subtotal_usd numeric, tax_usd numeric, total_usd numeric, amount_paid_usd numeric,
      amount_due_usd numeric, invoice_date date, due_date date, paid_at timestamptz,
      invoice_pdf_url text, created_at timestamptz)
    left join public.subscriptions as s
      on s.stripe_subscription_id = f.stripe_subscription_id
      and s.organization_id = v_organization_id
  where o.customer_id = settle_stripe_customer.customer_id
    and o.kind = 'invoice'
    and o.facts -> 'is_deleted' = 'false'
  on conflict (stripe_invoice_id) do update
  set organization_id = excluded.organization_id,
    subscription_id = excluded.subscription_id,
    invoice_number = excluded.invoice_number,
    status = excluded.status,
    subtotal_usd = excluded.subtotal_usd,
    tax_usd = excluded.tax_usd,
    total_usd = excluded.total_usd,
    amount_paid_usd = excluded.amount_paid_usd,
    amount_due_usd = excluded.amount_due_usd,
    invoice_date = excluded.invoice_date,
    due_date = excluded.due_date,
    paid_at = excluded.paid_at,
    invoice_pdf_url = excluded.invoice_pdf_url;

  perform private.settle_plan(o.id)
  from unnest(v_organization_id || v_formerly) as o (id)
  order by o.id;
end
$$;
comment on function private.settle_stripe_customer(text) is
  'Brings the subscriptions, invoices and plan of a customer''s organization to what Stripe has said so far; nothing while nobody has said whose customer it is.';

create function private.settle_plan(organization_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  v_old text;
  v_new text;
  v_owner_id uuid;
begin
  select o.plan into v_old
  from public.organizations as o
  where o.id = settle_plan.organization_id
  for no key update;
  if not exists (
    select from public.subscriptions as s where s.organization_id = settle_plan.organization_id)
  then
    return;
  end if;
  v_new := coalesce((
    select p.name
    from public.subscriptions as s
      join public.plans as p on p.name = s.plan
    where s.organization_id = settle_plan.organization_id
      and s.status in ('trialing', 'active', 'past_due')
    order by p.display_order desc
    limit 1), 'free');
  if v_new = v_old then
    return;
  end if;
  update public.organizations as o set plan = v_new where o.id = settle_plan.organization_id;
  for v_owner_id in
    select m.user_id
    from public.organization_members as m
    where m.organization_id = settle_plan.organization_id and m.role = 'owner'
  loop
    perform private.notify_user(v_owner_id, 'organization.plan_changed', jsonb_build_object(
      'organization_id', settle_plan.organization_id, 'old_plan', v_old, 'new_plan', v_new));
  end loop;
end
$$;
comment on function private.settle_plan(uuid) is
  'An organization has the largest plan that its subscriptions give, else free; its owners learn of a change. One that never subscribed keeps the plan that it was given.';

create function private.apply_stripe_payment(
  type text,
  object jsonb,
  created_at timestamptz,
  event_id text
) returns text
language plpgsql
set search_path = ''
as $$
declare
  v_payment text := coalesce(object ->> 'payment_intent', object ->> 'id');
  v_reference text := coalesce(
    object #>> '{metadata,purchase_id}', object ->> 'client_reference_id', '');
  v_purchase_id uuid := case when pg_input_is_valid(v_reference, 'uuid') then v_reference::uuid end;
  v_status text := case
    when type in ('checkout.session.completed', 'checkout.session.async_payment_succeeded')
      and object ->> 'payment_status' in ('paid', 'no_payment_required')
    then 'paid'
    when type in ('checkout.session.expired', 'checkout.session.async_payment_failed')
    then 'failed'
    when type = 'charge.refunded' and object -> 'refunded' = 'true'
    then 'refunded'
  end;
  -- Before discounts, which are the operator's to give, and without taxes.
  v_amount_usd numeric := case
    when object ->> 'currency' = 'usd' and jsonb_typeof(object -> 'amount_subtotal') = 'number'
    then (object ->> 'amount_subtotal')::numeric / 100
  end;
  v_purchase public.purchases;
  v_is_news boolean;
begin
  perform private.lock_stripe_object(v_payment);
  if v_status = 'refunded' then
    v_is_news := private.keep_stripe_object(
      v_payment, object ->> 'customer', 'refund', '{}', created_at, 0, event_id);
  elsif v_status is null then
    return 'ignored';
  else
    select * into v_purchase from public.purchases as p where p.id = v_purchase_id;
    if not found then
      return 'ignored';
    elsif v_status = 'paid' and coalesce(v_amount_usd < v_purchase.amount_usd, true) then
      perform private.notify_admins(
        v_purchase.organization_id, 'purchase.payment_refused', jsonb_build_object(
          'purchase_id', v_purchase.id, 'organization_id', v_purchase.organization_id,
          'amount_usd', v_purchase.amount_usd, 'payment', v_payment));
      return 'refused';
    end if;
    update public.purchases as p
    set status = v_status,
      stripe_reference = case v_status when 'paid' then v_payment else p.stripe_reference end
    where p.id = v_purchase_id
      and (p.status = 'pending' or p.status = 'failed' and v_status = 'paid');
    v_is_news := found;
  end if;
  -- Either may be heard first.
  update public.purchases as p
  set status = 'refunded'
  where p.stripe_reference = v_payment
    and p.status = 'paid'
    and exists (
      select from private.stripe_objects as o where o.id = v_payment and o.kind = 'refund');
  return case when v_is_news then 'applied' else 'superseded' end;
end
$$;
comment on function private.apply_stripe_payment(text, jsonb, timestamptz, text) is
  'What a checkout in mode payment, or a refund of all of it, makes of a purchase. One that expired has failed and is paid by another checkout; one over less than the price, or in another currency, pays nothing, with notice to the buyer''s admins; a part of the price given back takes nothing away. A second payment for what an organization has already is refused by a_listing_is_bought_once.';

create function private.apply_stripe_event(event jsonb) returns text
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  v_id text := event ->> 'id';
  v_type text := event ->> 'type';
  v_object jsonb := event #> '{data,object}';
  v_created_at timestamptz;
  v_customer_id text;
  v_organization_id text;
  v_rank integer;
  v_is_news boolean := false;
begin
  if v_id is null or v_type is null
    or jsonb_typeof(event -> 'created') is distinct from 'number'
    or jsonb_typeof(v_object) is distinct from 'object'
  then
    raise sqlstate 'PT400' using
      message = 'This is not an event of Stripe.',
      detail = 'stripe_event_invalid',
      hint = 'Send the body of Stripe''s webhook as it came, after checking its signature.';
  end if;
  v_created_at := private.stripe_time(event -> 'created');
  v_customer_id := case v_object ->> 'object' when 'customer' then v_object ->> 'id' else v_object ->> 'customer' end;
  v_organization_id := coalesce(
    v_object #>> '{metadata,organization_id}', v_object ->> 'client_reference_id');
  v_rank := case
    when v_type like '%.created' then 0
    when v_type like '%.deleted' or v_object ->> 'status' in ('canceled', 'paid', 'void') then 3
    when v_object ->> 'status' in ('open', 'uncollectible') then 2
    else 1
  end;

  insert into private.stripe_events (id, type) values (v_id, v_type) on conflict do nothing;
  if not found then
    return 'repeated';
  end if;
  if v_type = 'charge.refunded'
    or v_type like 'checkout.session.%' and v_object ->> 'mode' = 'payment'
  then
    return private.apply_stripe_payment(v_type, v_object, v_created_at, v_id);
  end if;
  if v_customer_id is null then
    return 'ignored';
  end if;
  perform private.lock_stripe_object(v_customer_id);
  if pg_input_is_valid(coalesce(v_organization_id, ''), 'uuid') then
    v_is_news := private.keep_stripe_object(
      v_customer_id, v_customer_id, 'customer',
      jsonb_build_object('organization_id', v_organization_id), v_created_at, v_rank, v_id);
  end if;
  if v_type like 'customer.subscription.%' then
    v_is_news := private.keep_stripe_object(
      v_object ->> 'id', v_customer_id, 'subscription',
      private.stripe_subscription_facts(v_object), v_created_at, v_rank, v_id) or v_is_news;
  elsif v_type like 'invoice.%' and v_object ->> 'id' is not null then
    v_is_news := private.keep_stripe_object(
      v_object ->> 'id', v_customer_id, 'invoice',
      private.stripe_invoice_facts(v_object, v_type = 'invoice.deleted'),
      v_created_at, v_rank, v_id) or v_is_news;
  elsif not pg_input_is_valid(coalesce(v_organization_id, ''), 'uuid') then
    return 'ignored';
  end if;
  if not v_is_news then
    return 'superseded';
  end if;
  perform private.settle_stripe_customer(v_customer_id);
  return 'applied';
end
$$;
grant execute on function private.apply_stripe_event(jsonb) to service_role;

create function public.apply_stripe_event(event jsonb) returns text
language sql volatile
set search_path = ''
as $$
  select private.apply_stripe_event(event)
$$;
comment on function public.apply_stripe_event(jsonb) is
  E'Takes an event of Stripe, once, in any order; for the operator''s server, which has checked its signature.\nAnswers applied, repeated (heard before), superseded (something newer was heard), refused (a checkout over less than the purchase''s price, or not in US dollars: give it back) or ignored (concerns nothing here). customer.*, checkout.session.completed and subscriptions say whose customer it is by metadata.organization_id or client_reference_id; checkouts in mode payment name the purchase by metadata.purchase_id or client_reference_id, and charge.refunded its payment. Errors: stripe_event_invalid, stripe_price_unknown.';
grant execute on function public.apply_stripe_event(jsonb) to service_role;

create function private.end_subscriptions() returns void
language sql volatile
set search_path = ''
as $$
  -- In one order, since each is locked to the end.
  select private.settle_stripe_customer(c.id)
  from (
    select distinct s.stripe_customer_id as id
    from public.subscriptions as s
    where s.cancel_at <= now() and s.status <> 'cancelled'
    order by s.stripe_customer_id
  ) as c
$$;
comment on function private.end_subscriptions() is
  'Upkeep: a cancelled subscription ends with its period, even when Stripe''s event does not arrive.';

create function private.forget_stripe_events() returns void
language sql volatile
set search_path = ''
as $$
  delete from private.stripe_events as e where e.received_at < now() - interval '60 days';
  delete from private.stripe_objects as o
  where o.kind = 'refund' and o.event_created_at < now() - interval '60 days'
$$;
comment on function private.forget_stripe_events() is
  'Upkeep: Stripe repeats events for days, not for months; a refund has met its purchase by then.';

insert into private.upkeep_tasks (name, task, every)
values
  ('end subscriptions', 'private.end_subscriptions()', interval '1 minute'),
  ('forget Stripe events', 'private.forget_stripe_events()', interval '1 day');

-- ---------------------------------------------------------------------------------------------------
-- usage_records: what an organization used in a month (UTC). No foreign key: it outlives a purge. The
-- facts are kept where they arise (private.execution_totals, private.api_call_counts, storage.objects)
-- without writers waiting for each other; here they are only added up, so that nothing drifts.
-- ---------------------------------------------------------------------------------------------------
create table public.usage_records (
  id uuid primary key default private.uuid_v7(),
  organization_id uuid not null,
  period_start date not null
    constraint period_is_a_month check (
      period_start = date_trunc('month', period_start)
      and period_end = period_start + interval '1 month' - interval '1 day'),
  period_end date not null,
  executions_count bigint not null default 0,
  tokens_used bigint not null default 0,
  api_calls_count bigint not null default 0,
  storage_bytes bigint not null default 0,
  usd_per_execution numeric(10, 6) not null default 0,
  usd_per_gb_month numeric(10, 6) not null default 0,
  execution_cost_usd numeric(14, 6) not null default 0,
  token_cost_usd numeric(14, 6) not null default 0,
  storage_cost_usd numeric(14, 6) not null default 0,
  total_cost_usd numeric(14, 6) not null generated always as (
    execution_cost_usd + token_cost_usd + storage_cost_usd) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint one_record_a_month unique (organization_id, period_start)
);
alter table public.usage_records enable row level security;

create trigger _100_set_updated_at before update on public.usage_records
  for each row execute function private.tg_set_updated_at();

-- NOTE: written by private.record_usage() alone.
grant select on public.usage_records to authenticated;

create policy usage_records_select_member on public.usage_records
  for select to authenticated
  using (organization_id = any (array(select private.my_organization_ids('viewer'))));
create policy usage_records_select_scope on public.usage_records as restrictive
  for select to authenticated
  using ((select private.has_scope('usage:read')));

comment on table public.usage_records is
  E'What an organization used, by calendar month (UTC).\nMembers read; newest first is order=period_start.desc. Brought up to date every few minutes: current_usage() is right at once.';
comment on column public.usage_records.executions_count is 'Runs that were asked for in the month, those that runs started by themselves not counted: what max_executions_per_month limits.';
comment on column public.usage_records.tokens_used is 'Of all runs of the month that have ended.';
comment on column public.usage_records.api_calls_count is 'Requests with API keys.';
comment on column public.usage_records.storage_bytes is 'Files that lie there, as of the last look in the month.';
comment on column public.usage_records.usd_per_execution is 'The price of the plan that the organization was on at the end of the month, or is on now.';
comment on column public.usage_records.usd_per_gb_month is 'Likewise.';
comment on column public.usage_records.execution_cost_usd is 'Runs by usd_per_execution.';
comment on column public.usage_records.token_cost_usd is 'What model calls cost by list price, where one is known.';
comment on column public.usage_records.storage_cost_usd is 'storage_bytes by usd_per_gb_month.';

create function private.stored_bytes(organization_id uuid) returns bigint
language sql stable
set search_path = ''
as $$
  select coalesce(sum((o.metadata ->> 'size')::bigint), 0)
  from storage.buckets as b
    join storage.objects as o
      on o.bucket_id = b.id
      -- '0' follows '/': everything in the folder, and a range of the index.
      and o.name collate "C" >= stored_bytes.organization_id || '/'
      and o.name collate "C" < stored_bytes.organization_id || '0'
$$;
comment on function private.stored_bytes(uuid) is
  'Bytes of an organization''s files: those whose first folder is its id.';

create function private.usage_of(organization_ids uuid[], month date) returns setof public.usage_records
language sql stable
set search_path = ''
as $$
  select
    u.id,
    o.id,
    usage_of.month,
    (usage_of.month + interval '1 month' - interval '1 day')::date,
    runs.count,
    runs.tokens,
    calls.count,
    storage.bytes,
    price.usd_per_execution,
    price.usd_per_gb_month,
    round(runs.count * price.usd_per_execution, 6),
    round(runs.cost_usd, 6),
    round(storage.bytes / 1e9 * price.usd_per_gb_month, 6),
    round(runs.count * price.usd_per_execution, 6) + round(runs.cost_usd, 6)
      + round(storage.bytes / 1e9 * price.usd_per_gb_month, 6),
    coalesce(u.created_at, now()),
    coalesce(u.updated_at, now())
  from public.organizations as o
    join public.plans as p on p.name = o.plan
    left join public.usage_records as u
      on u.organization_id = o.id and u.period_start = usage_of.month
    cross join lateral (
      select usage_of.month = date_trunc('month', now() at time zone 'UTC') as is_present
    ) as month
    cross join lateral (
      -- Who changes the plan changes nothing of a month that is over.
      select
        case when month.is_present or u.id is null then p.usd_per_execution else u.usd_per_execution end,
        case when month.is_present or u.id is null then p.usd_per_gb_month else u.usd_per_gb_month end
    ) as price (usd_per_execution, usd_per_gb_month)
    cross join lateral (
      select
        coalesce(sum(t.root_runs), 0)::bigint as count,
        coalesce(sum(t.tokens), 0)::bigint as tokens,
        coalesce(sum(t.cost_usd), 0) as cost_usd
      from private.execution_totals as t
      where t.organization_id = o.id and t.month = usage_of.month
    ) as runs
    cross join lateral (
      select coalesce(sum(c.calls), 0)::bigint as count
      from (
        select f.calls
        from private.api_call_counts as f
        where f.organization_id = o.id
          and f.day >= usage_of.month
          and f.day < usage_of.month + interval '1 month'
        union all
        select r.requests
        from public.api_keys as k
          join private.api_request_counts as r on r.api_key_id = k.id
        where k.organization_id = o.id
          and r.minute >= usage_of.month::timestamp at time zone 'UTC'
          and r.minute < (usage_of.month + interval '1 month') at time zone 'UTC'
      ) as c
    ) as calls
    cross join lateral (
      -- What lies there now says nothing of a month that is over.
      select case
        when month.is_present then private.stored_bytes(o.id)
        else coalesce(u.storage_bytes, 0)
      end as bytes
    ) as storage
  where o.id = any (usage_of.organization_ids)
$$;
comment on function private.usage_of(uuid[], date) is
  'What organizations have used in a month, added up at this moment; id is null where nothing is recorded yet.';

create function private.record_usage() returns void
language plpgsql
set search_path = ''
as $$
declare
  v_this_month date := date_trunc('month', now() at time zone 'UTC');
  v_month date;
begin
  -- A run counts for the month in which it was asked for and may end in the next.
  foreach v_month in array case
    when now() at time zone 'UTC' < v_this_month + interval '7 days'
      then array[(v_this_month - interval '1 month')::date, v_this_month]
    else array[v_this_month]
  end loop
    insert into public.usage_records as u (organization_id, period_start, period_end,
      executions_count, tokens_used, api_calls_count, storage_bytes, usd_per_execution,
      usd_per_gb_month, execution_cost_usd, token_cost_usd, storage_cost_usd)
    select n.organization_id, n.period_start, n.period_end, n.executions_count, n.tokens_used,
      n.api_calls_count, n.storage_bytes, n.usd_per_execution, n.usd_per_gb_month,
      n.execution_cost_usd, n.token_cost_usd, n.storage_cost_usd
    from private.usage_of(
      array(
        select o.id from public.organizations as o
        where o.created_at < (v_month + interval '1 month') at time zone 'UTC'),
      v_month) as n
    on conflict (organization_id, period_start) do update
    set executions_count = excluded.executions_count,
      tokens_used = excluded.tokens_used,
      api_calls_count = excluded.api_calls_count,
      storage_bytes = excluded.storage_bytes,
      usd_per_execution = excluded.usd_per_execution,
      usd_per_gb_month = excluded.usd_per_gb_month,
      execution_cost_usd = excluded.execution_cost_usd,
      token_cost_usd = excluded.token_cost_usd,
      storage_cost_usd = excluded.storage_cost_usd
    where (u.executions_count, u.tokens_used, u.api_calls_count, u.storage_bytes,
        u.usd_per_execution, u.usd_per_gb_month, u.execution_cost_usd, u.token_cost_usd,
        u.storage_cost_usd)
      is distinct from (excluded.executions_count, excluded.tokens_used, excluded.api_calls_count,
        excluded.storage_bytes, excluded.usd_per_execution, excluded.usd_per_gb_month,
        excluded.execution_cost_usd, excluded.token_cost_usd, excluded.storage_cost_usd);
  end loop;
end
$$;
comment on function private.record_usage() is
  'Upkeep: writes this month''s usage of every organization, and for a week the month''s before; touches only rows that change.';

insert into private.upkeep_tasks (name, task, every)
values ('record usage', 'private.record_usage()', interval '5 minutes');

create function private.current_usage(organization_id uuid) returns public.usage_records
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_usage public.usage_records;
begin
  perform private.require_scope('usage:read');
  perform private.require_role(current_usage.organization_id, 'viewer');
  select * into v_usage
  from private.usage_of(
    array[current_usage.organization_id], date_trunc('month', now() at time zone 'UTC')::date);
  return v_usage;
end
$$;
grant execute on function private.current_usage(uuid) to authenticated;

create function public.current_usage(organization_id uuid) returns public.usage_records
language sql stable
set search_path = ''
as $$
  select * from private.current_usage(organization_id)
$$;
comment on function public.current_usage(uuid) is
  E'What an organization has used this month, right now.\nMembers. id is null until the month''s first record is written. Errors: organization_not_found.';
grant execute on function public.current_usage(uuid) to authenticated;

-- migrate:down
