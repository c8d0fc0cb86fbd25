-- Stripe: who may tell of its events, and what they make of subscriptions, invoices, the plan and purchases.
begin;
select plan(75);

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('admin') as admin,
  tests.create_user('member') as member, tests.create_user('viewer') as viewer,
  tests.create_user('stranger') as stranger, null::uuid as org;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, admin, 'admin'), tests.add_member(org, member, 'member'),
  tests.add_member(org, viewer, 'viewer')
from ids;

-- An event as Stripe sends it: `at` counts hours from now.
create function pg_temp.event(id text, type text, at integer, object jsonb) returns jsonb
language sql stable
as $$
  select jsonb_build_object('id', id, 'type', type, 'object', 'event',
    'created', extract(epoch from now() + make_interval(hours => at))::bigint,
    'data', jsonb_build_object('object', object))
$$;
create function pg_temp.subscription(plan text, status text, more jsonb default '{}') returns jsonb
language sql stable
as $$
  select jsonb_build_object('id', 'sub_1', 'object', 'subscription', 'customer', 'cus_1',
    'status', status, 'created', extract(epoch from now())::bigint,
    'items', jsonb_build_object('data', jsonb_build_array(jsonb_build_object(
      'price', jsonb_build_object('id', 'price_1', 'lookup_key', plan || '_monthly'),
      'current_period_start', extract(epoch from now())::bigint,
      'current_period_end', extract(epoch from now() + interval '30 days')::bigint)))) || more
$$;
create function pg_temp.invoice(status text, more jsonb default '{}') returns jsonb
language sql stable
as $$
  select jsonb_build_object('id', 'in_1', 'object', 'invoice', 'customer', 'cus_1', 'currency', 'usd',
    'status', status, 'number', 'ACME-0001', 'created', 1767225600, 'subtotal', 4900, 'total', 5831,
    'total_taxes', '[{"amount": 931}]'::jsonb, 'amount_due', 5831, 'amount_paid', 0,
    'parent', '{"subscription_details": {"subscription": "sub_1"}}'::jsonb,
    'customer_email', 'payer@example.com') || more
$$;
create function pg_temp.tell(event jsonb) returns text
language plpgsql
as $$
declare
  v_outcome text;
begin
  perform tests.sign_in_as_service_role();
  v_outcome := public.apply_stripe_event(event);
  perform tests.sign_out();
  return v_outcome;
end
$$;

select tests.sign_in(owner) from ids;
select throws_ok(
  $$select public.apply_stripe_event('{}')$$, '42501', null, 'an owner does not speak for Stripe');
select tests.sign_in_as_anon();
select throws_ok($$select public.apply_stripe_event('{}')$$, '42501', null, 'nor does a visitor');
select tests.sign_in_as_service_role();
select is(
  tests.code_of($$select public.apply_stripe_event('{"id": "evt_0"}')$$), 'stripe_event_invalid',
  'what is no event is refused');
select tests.sign_out();

select is(
  pg_temp.tell(pg_temp.event('evt_2', 'customer.subscription.created', 2, pg_temp.subscription('pro', 'trialing'))),
  'applied', 'a subscription is heard of before its customer');
select is_empty('select from public.subscriptions', 'and waits until somebody says whose customer it is');
select is(
  pg_temp.tell(pg_temp.event('evt_1', 'checkout.session.completed', 1, jsonb_build_object(
    'id', 'cs_1', 'object', 'checkout.session', 'customer', 'cus_1', 'client_reference_id', org)))
  , 'applied', 'the checkout says it')
from ids;
select results_eq(
  'select organization_id, plan, status, stripe_customer_id from public.subscriptions',
  $$select org, 'pro', 'trialing', 'cus_1' from ids$$, 'the organization has its subscription');
select is((select plan from public.organizations, ids where id = org), 'pro', 'and its plan');
select is(
  (select max_agents from public.organizations, ids where id = org),
  (select max_agents from public.plans where name = 'pro'), 'with the limits of it');
select is(
  (select payload ->> 'new_plan' from public.notifications, ids
   where user_id = owner and kind = 'organization.plan_changed'), 'pro', 'the owner learns of it');
select is_empty(
  $$select from public.notifications, ids where user_id = admin and kind = 'organization.plan_changed'$$,
  'others do not');

select is(
  pg_temp.tell(pg_temp.event('evt_1', 'checkout.session.completed', 1, '{"customer": "cus_1"}')),
  'repeated', 'an event that comes again is told so');
select is(
  pg_temp.tell(pg_temp.event('evt_3', 'customer.subscription.updated', 5, pg_temp.subscription('team', 'active'))),
  'applied', 'an update is applied');
select is((select plan from public.organizations, ids where id = org), 'team', 'and moves the organization');
select is(
  pg_temp.tell(pg_temp.event('evt_4', 'customer.subscription.updated', 4, pg_temp.subscription('starter', 'active'))),
  'superseded', 'an older one that comes later changes nothing');
select is((select plan from public.organizations, ids where id = org), 'team', 'the plan stays');
select is(
  pg_temp.tell(pg_temp.event('evt_5', 'customer.subscription.updated', 6, pg_temp.subscription('team', 'past_due'))),
  'applied', 'a payment that failed');
select is((select plan from public.organizations, ids where id = org), 'team', 'does not take the plan at once');
select is(
  pg_temp.tell(pg_temp.event('evt_6', 'product.created', 6, '{"id": "prod_1", "object": "product"}')),
  'ignored', 'what concerns nothing here is ignored');
select is(
  tests.code_of($$select public.apply_stripe_event(pg_temp.event('evt_7', 'customer.subscription.updated', 7,
    pg_temp.subscription('platinum', 'active')))$$),
  'stripe_price_unknown', 'a price that is no plan''s is refused');
select is_empty(
  $$select from private.stripe_events where id = 'evt_7'$$, 'so that Stripe sends the event again');

-- Invoices
select is(
  pg_temp.tell(pg_temp.event('evt_10', 'invoice.paid', 3, pg_temp.invoice('paid', jsonb_build_object(
    'amount_paid', 5831, 'invoice_pdf', 'https://pay.example.com/in_1.pdf',
    'status_transitions', '{"paid_at": 1767229200}'::jsonb)))),
  'applied', 'an invoice is heard of when it is paid');
select results_eq(
  'select invoice_number, status, subtotal_usd, tax_usd, total_usd, amount_paid_usd, amount_due_usd, invoice_date, paid_at from public.invoices',
  $$values ('ACME-0001', 'paid', 49.00, 9.31, 58.31, 58.31, 58.31, date '2026-01-01', timestamptz '2026-01-01 01:00+00')$$,
  'amounts are in dollars');
select is(
  (select subscription_id from public.invoices), (select id from public.subscriptions), 'it names its subscription');
select is(
  pg_temp.tell(pg_temp.event('evt_9', 'invoice.finalized', 2, pg_temp.invoice('open'))),
  'superseded', 'that it was open before comes too late');
select is(
  pg_temp.tell(pg_temp.event('evt_11', 'invoice.finalized', 3, pg_temp.invoice('open'))),
  'superseded', 'even within the same second');
select is((select status from public.invoices), 'paid', 'it stays paid');
select is_empty(
  $$select from private.stripe_objects where facts::text ~ 'payer'$$, 'what the payer told Stripe is not kept');
select is(
  pg_temp.tell(pg_temp.event('evt_12', 'invoice.created', 3, pg_temp.invoice('draft', '{"id": "in_2"}'))),
  'applied', 'a draft is heard of');
select is(
  pg_temp.tell(pg_temp.event('evt_13', 'invoice.deleted', 4, pg_temp.invoice('draft', '{"id": "in_2"}'))),
  'applied', 'and deleted');
select is((select count(*) from public.invoices), 1::bigint, 'it is gone');
select is(
  tests.code_of($$select public.apply_stripe_event(pg_temp.event('evt_14', 'invoice.created', 3,
    pg_temp.invoice('draft', '{"id": "in_3", "currency": "eur"}')))$$),
  'stripe_event_invalid', 'amounts in another currency are refused');

-- Who reads
select tests.sign_in(owner) from ids;
select is((select count(*) from public.subscriptions), 1::bigint, 'an owner reads the subscription');
select is((select count(*) from public.invoices), 1::bigint, 'and the invoice');
select throws_ok($$update public.subscriptions set plan = 'enterprise'$$, '42501', null, 'but changes none');
select throws_ok($$update public.invoices set status = 'paid'$$, '42501', null, 'of both');
select tests.sign_in(admin) from ids;
select is(
  (select count(*) from public.subscriptions) + (select count(*) from public.invoices), 2::bigint,
  'an admin reads both');
select tests.sign_in(member) from ids;
select is_empty(
  'select id from public.subscriptions union all select id from public.invoices', 'a member reads neither');
select tests.sign_in(viewer) from ids;
select is_empty(
  'select id from public.subscriptions union all select id from public.invoices', 'nor does a viewer');
select tests.sign_in(stranger) from ids;
select is_empty(
  'select id from public.subscriptions union all select id from public.invoices', 'nor a stranger');
select tests.sign_in_with_key(owner, org, 'organization:read', 'usage:read') from ids;
select is_empty(
  'select id from public.subscriptions union all select id from public.invoices', 'nor any API key');
select tests.sign_out();

-- The end
select is(
  pg_temp.tell(pg_temp.event('evt_20', 'customer.subscription.updated', 8, pg_temp.subscription('team', 'active',
    jsonb_build_object('cancel_at_period_end', true, 'canceled_at', extract(epoch from now())::bigint,
      'cancellation_details', '{"feedback": "too_expensive"}'::jsonb)))),
  'applied', 'a customer cancels');
select is((select plan from public.organizations, ids where id = org), 'team', 'and keeps the plan that is paid');
select results_eq(
  $$select status, cancel_at > now() + interval '29 days', cancellation_reason from public.subscriptions$$,
  $$values ('active', true, 'too_expensive')$$, 'until the end of the period, which the row tells');
update private.stripe_objects
set facts = facts || jsonb_build_object('ends_at', now() - interval '1 minute')
where id = 'sub_1';
update public.subscriptions set cancel_at = now() - interval '1 minute';
select private.end_subscriptions();
select is((select plan from public.organizations, ids where id = org), 'free', 'then it is on the free plan, whatever Stripe says or does not');
select is((select status from public.subscriptions), 'cancelled', 'and the subscription over');

select is(
  pg_temp.tell(pg_temp.event('evt_30', 'customer.subscription.created', 9, pg_temp.subscription('pro', 'active', '{"id": "sub_2"}'))),
  'applied', 'who comes back subscribes anew');
select is((select plan from public.organizations, ids where id = org), 'pro', 'and has the plan of the subscription that lives');

-- Purchases
create temporary table purchase as
select gen_random_uuid() as id,
  tests.create_listing(stranger, tests.create_organization(stranger, 'Seller'), title, 20) as listing, title
from ids, unnest('{Bought,Forgotten,Slow,Early}'::text[]) as title;
insert into public.purchases (id, listing_id, organization_id, bought_by_id)
select purchase.id, listing, org, owner from purchase, ids;
create function pg_temp.checkout(title text, status text, more jsonb default '{}') returns jsonb
language sql stable
as $$
  select jsonb_build_object('id', 'cs_' || title, 'object', 'checkout.session', 'mode', 'payment',
    'payment_status', status, 'payment_intent', 'pi_' || title, 'client_reference_id', p.id,
    'currency', 'usd', 'amount_subtotal', 2000) || more
  from purchase as p
  where p.title = checkout.title
$$;
create function pg_temp.purchased(title text) returns text
language sql stable
as $$
  select b.status || coalesce(' by ' || b.stripe_reference, '')
  from public.purchases as b
    join purchase as p using (id)
  where p.title = purchased.title
$$;
select is(
  pg_temp.tell(pg_temp.event(
    'evt_39' || n, 'checkout.session.completed', 1, pg_temp.checkout('Bought', 'paid', checkout.paid))),
  'refused', format('a purchase is not paid by %s', checkout.paid))
from unnest(array[
  '{"amount_subtotal": 1999}', '{"currency": "jpy"}', '{"amount_subtotal": null}']::jsonb[]) with ordinality as checkout (paid, n);
select is(pg_temp.purchased('Bought'), 'pending', 'it goes on waiting');
select is(
  (select count(*) from public.notifications, ids where user_id = owner and kind = 'purchase.payment_refused'),
  3::bigint, 'and whoever buys learns why');
select is(
  pg_temp.tell(pg_temp.event('evt_40', 'checkout.session.completed', 1, pg_temp.checkout('Bought', 'paid'))),
  'applied', 'a purchase is paid by its checkout, whoever the customer is');
select is(pg_temp.purchased('Bought'), 'paid by pi_Bought', 'and knows its payment');
select is((select plan from public.organizations, ids where id = org), 'pro', 'the plan is another matter');
select is(
  pg_temp.tell(pg_temp.event('evt_40', 'checkout.session.completed', 1, pg_temp.checkout('Bought', 'paid'))),
  'repeated', 'its event counts once');
select is(
  pg_temp.tell(pg_temp.event('evt_41', 'checkout.session.expired', 2, pg_temp.checkout('Bought', 'unpaid', '{"id": "cs_0"}'))),
  'superseded', 'another checkout that expired takes nothing away');
select is(
  pg_temp.tell(pg_temp.event('evt_42', 'charge.refunded', 3, '{"id": "ch_1", "payment_intent": "pi_Bought", "refunded": false}')),
  'ignored', 'nor does a part of the price given back');
select is(pg_temp.purchased('Bought'), 'paid by pi_Bought', 'it stays paid');
select is(
  pg_temp.tell(pg_temp.event('evt_43', 'charge.refunded', 4, '{"id": "ch_1", "payment_intent": "pi_Bought", "refunded": true}')),
  'applied', 'all of it given back');
select is(pg_temp.purchased('Bought'), 'refunded by pi_Bought', 'ends the purchase');

select is(
  pg_temp.tell(pg_temp.event('evt_50', 'checkout.session.expired', 1, pg_temp.checkout('Forgotten', 'unpaid'))),
  'applied', 'a checkout that nobody completed');
select is(pg_temp.purchased('Forgotten'), 'failed', 'is a purchase that failed');
insert into public.purchases (listing_id, organization_id)
select listing, org from purchase, ids where title = 'Forgotten';
select is(
  tests.code_of($$select public.apply_stripe_event(pg_temp.event('evt_51', 'checkout.session.completed', 2,
    pg_temp.checkout('Forgotten', 'paid', '{"id": "cs_2"}')))$$),
  '23505', 'which nobody pays while another one is under way');
delete from public.purchases as b using purchase as p where b.listing_id = p.listing and b.id <> p.id;
select is_empty(
  $$select from private.stripe_events where id = 'evt_51'$$, 'Stripe sends that event again');
select is(
  pg_temp.tell(pg_temp.event('evt_51', 'checkout.session.completed', 2, pg_temp.checkout('Forgotten', 'paid', '{"id": "cs_2"}'))),
  'applied', 'until another checkout pays it');

select is(
  pg_temp.tell(pg_temp.event('evt_52', 'checkout.session.completed', 1, pg_temp.checkout('Slow', 'unpaid'))),
  'ignored', 'money that is on its way');
select is(pg_temp.purchased('Slow'), 'pending', 'is not there yet');
select is(
  pg_temp.tell(pg_temp.event('evt_53', 'checkout.session.async_payment_succeeded', 2, pg_temp.checkout('Slow', 'paid'))),
  'applied', 'until it is');

select is(
  pg_temp.tell(pg_temp.event('evt_54', 'charge.refunded', 2, '{"id": "ch_2", "payment_intent": "pi_Early", "refunded": true}'))
  || ', ' || pg_temp.tell(pg_temp.event('evt_55', 'checkout.session.completed', 1, pg_temp.checkout('Early', 'paid'))),
  'applied, applied', 'a refund that is heard of before its payment');
select is(pg_temp.purchased('Early'), 'refunded by pi_Early', 'counts when that is');
select is(
  pg_temp.tell(pg_temp.event('evt_56', 'checkout.session.completed', 1,
    pg_temp.checkout('Slow', 'paid', jsonb_build_object('client_reference_id', gen_random_uuid())))),
  'ignored', 'a checkout for no purchase of ours is ignored');

update private.stripe_events set received_at = now() - interval '61 days' where id = 'evt_1';
select private.forget_stripe_events();
select is_empty($$select from private.stripe_events where id = 'evt_1'$$, 'events are forgotten in time');
select is(
  pg_temp.tell(pg_temp.event('evt_1', 'checkout.session.completed', 1, jsonb_build_object(
    'object', 'checkout.session', 'customer', 'cus_1', 'client_reference_id', gen_random_uuid()))),
  'superseded', 'and a repeat of one changes nothing all the same');

select * from finish();
rollback;
