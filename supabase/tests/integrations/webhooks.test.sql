-- Webhooks: who manages them, what reaches the outbox, and how a delivery ends.
begin;
select plan(42);
select private.set_encryption_key('test', tests.public_key());

create temporary table ids as
select tests.create_user('owner') as owner, tests.create_user('member') as member,
  tests.create_user('stranger') as stranger,
  null::uuid as org, null::uuid as webhook, null::uuid as agent, null::uuid as delivery;
grant all on ids to public;
update ids set org = tests.create_organization(owner, 'Acme');
select tests.add_member(org, member, 'member') from ids;

select tests.sign_in(member) from ids;
select throws_ok(
  $$select public.create_webhook(org, 'https://example.com/hook', '{agent.published}') from ids$$,
  'PT403', null, 'a member adds no webhook');
select tests.sign_in(stranger) from ids;
select throws_ok(
  $$select public.create_webhook(org, 'https://example.com/hook', '{agent.published}') from ids$$,
  'PT404', null, 'nor does a stranger');

select tests.sign_in(owner) from ids;
select matches(
  (select secret from ids, public.create_webhook(org, 'https://example.com/hook', '{agent.published,execution.completed}')),
  '^whsec_[A-Za-z0-9+/]{43}=$', 'an admin adds one and sees its secret');
update ids set webhook = (select id from public.webhooks);
select throws_ok('select * from private.webhook_secrets', '42501', null, 'which stands nowhere to be read');
select throws_ok(
  $$select public.create_webhook(org, 'ftp://example.com', '{agent.published}') from ids$$,
  '23514', null, 'an address of another kind is refused');
select throws_ok(
  $$select public.create_webhook(org, 'https://user:pass@example.com', '{agent.published}') from ids$$,
  '23514', null, 'so is one with a password in it');
select throws_ok(
  $$select public.create_webhook(org, 'https://example.com', '{agent.exploded}') from ids$$,
  '23514', null, 'so is an unknown event');
select matches(
  (select secret from ids, public.rotate_webhook_secret(webhook)), '^whsec_', 'a rotated secret is shown once');
select throws_ok(
  'update public.webhooks set total_deliveries = 5', '42501', null, 'nobody writes its statistics');

select tests.sign_in(member) from ids;
select is_empty('select from public.webhooks', 'a member does not see webhooks');
select throws_ok(
  'select public.rotate_webhook_secret(webhook) from ids', 'PT404', null, 'nor rotates their secrets');
insert into public.agents (organization_id, name, system_prompt) select org, 'Writer', 'Write.' from ids;
update ids set agent = (select id from public.agents where name = 'Writer');
select public.publish_agent_version(agent) from ids;
select is_empty('select from public.webhook_deliveries', 'nor what is sent to them');

select tests.sign_in(owner) from ids;
select is(
  (select array_agg(event_type) from public.webhook_deliveries), '{agent.published}',
  'publishing an agent puts one delivery into the outbox');
select is(
  (select payload -> 'data' ->> 'agent_id' from public.webhook_deliveries), (select agent::text from ids),
  'which names it');
select public.delete_agent(agent) from ids;
select is((select count(*) from public.webhook_deliveries), 1::bigint, 'an event that nobody asked for is not sent');
update ids set delivery = (select id from public.webhook_deliveries);
select tests.sign_in(stranger) from ids;
select is_empty('select from public.webhook_deliveries', 'a stranger sees no delivery');
select throws_ok('select public.redeliver(delivery) from ids', 'PT404', null, 'nor sends one again');

select tests.sign_out();
select results_eq(
  'select delivery_id, url, attempt from private.claim_webhook_deliveries()',
  $$select delivery, 'https://example.com/hook', 1 from ids$$, 'a worker claims what is due');
select is_empty('select from private.claim_webhook_deliveries()', 'which nobody else gets meanwhile');
select is(
  (select private.finish_webhook_delivery(delivery, 1, 500, 'oops') from ids), 'pending', 'an error is tried again');
select ok(
  (select next_retry_at between now() + interval '5 s' and now() + interval '6 s' from public.webhook_deliveries),
  'after five seconds at first');
select is(
  (select response_status_code || ' ' || response_body from public.webhook_deliveries), '500 oops',
  'with what was answered');
select is(
  (select private.finish_webhook_delivery(delivery, 1, 200, '') from ids), 'success',
  'an answer that comes while the next attempt is planned still counts');

update public.webhook_deliveries set status = 'pending', next_retry_at = now(), attempt_number = 0, delivered_at = null;
select private.claim_webhook_deliveries();
update public.webhook_deliveries set next_retry_at = now();
select private.claim_webhook_deliveries();
select is(
  (select private.finish_webhook_delivery(delivery, 1, 200, 'ok') from ids), 'superseded',
  'a worker that was replaced reports nothing');
select is(
  (select private.finish_webhook_delivery(delivery, 2, 204, '') from ids), 'success', 'the present one does');
select ok((select delivered_at is not null from public.webhook_deliveries), 'and the time of delivery is kept');
select is(
  (select last_delivery_status from public.webhooks), 'success', 'the webhook shows how the last one went');
select is((select failing_since from public.webhooks), null, 'and that it does not fail');

select tests.sign_in(owner) from ids;
select is(
  (select (public.redeliver(delivery)).status from ids), 'pending', 'an admin sends a delivery again, under its id');
select tests.sign_out();
update public.webhook_deliveries set attempt_number = 9;
select private.claim_webhook_deliveries();
select is(
  (select private.finish_webhook_delivery(delivery, 10, null, 'connection refused') from ids), 'failed',
  'after the tenth attempt it has failed');

update public.webhook_deliveries set status = 'pending', next_retry_at = now(), attempt_number = 0;
update public.webhooks set failing_since = now() - interval '6 days';
select private.claim_webhook_deliveries();
select is(
  (select private.finish_webhook_delivery(delivery, 1, 503, '') from ids), 'pending',
  'after days of failure one more attempt fails');
select is((select is_active from public.webhooks), false, 'and the webhook is switched off');
select is(
  (select payload ->> 'reason' from ids, public.notifications where user_id = owner and kind = 'webhook.disabled'),
  'failing', 'with notice to the admins');
select is((select status from public.webhook_deliveries), 'failed', 'what still waited has failed');
select tests.sign_in(owner) from ids;
select is(
  (select tests.code_of(format('select public.redeliver(%L)', delivery)) from ids), 'webhook_not_active',
  'and is not sent again to a webhook that is off');
select tests.sign_out();
update public.webhooks set is_active = true;
select is((select failing_since from public.webhooks), null, 'switched on again, its days of failure count anew');
update public.webhook_deliveries set status = 'pending', next_retry_at = now(), attempt_number = 0;
select private.claim_webhook_deliveries();
select private.finish_webhook_delivery(delivery, 1, 410, 'gone') from ids;
select is((select is_active from public.webhooks), false, '410 Gone switches it off at once');
select is((select status from public.webhook_deliveries), 'failed', 'and is not tried again');

-- Switched off by an admin
update public.webhooks set is_active = true;
update public.webhook_deliveries
set status = 'pending', next_retry_at = now(), attempt_number = 0, response_status_code = null, response_body = null;
select tests.sign_in(owner) from ids;
update public.webhooks set is_active = false;
select results_eq(
  'select status, response_body from public.webhook_deliveries',
  $$values ('failed', 'The webhook was switched off.')$$, 'an admin who switches a webhook off ends what waits');
select tests.sign_out();
update public.webhook_deliveries set status = 'pending', next_retry_at = now();
select is_empty('select from private.claim_webhook_deliveries()', 'and it is called no more');
update public.webhooks set is_active = true;
select isnt_empty('select from private.claim_webhook_deliveries()', 'until it is on again');
update public.webhooks set is_active = false;
select is(
  (select private.finish_webhook_delivery(delivery, 1, 500, '') from ids), 'superseded',
  'the answer to a call that was under way does not bring the delivery back');

select * from finish();
rollback;
