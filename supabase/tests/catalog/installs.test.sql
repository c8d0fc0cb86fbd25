-- Installing: a copy of one's own, what it costs, what stays one's own, and whose runs count.
begin;
select plan(52);

create temporary table people as
select tests.create_user('ada') as ada, tests.create_user('ines') as ines, tests.create_user('mia') as mia,
  tests.create_user('sam') as sam;
grant select on people to public;
create temporary table shop as
select tests.create_organization(ada, 'Maker') as maker, tests.create_organization(ines, 'Buyer') as buyer
from people;
grant select on shop to public;
select tests.add_member(buyer, mia, 'member') from shop, people;
create temporary table offers as
select tests.create_listing(ada, maker, 'Free writer') as free, tests.create_listing(ada, maker, 'Dear writer', 20) as dear
from people, shop;
grant select on offers to public;
create temporary view original as
select l.id as listing_id, l.agent_id from public.marketplace_listings as l, offers where l.id = offers.free;
grant select on original to public;

-- The publisher's next version, approved.
create function pg_temp.offer_next(prompt text) returns void
language plpgsql security definer
as $$
declare
  v_ada uuid := (select ada from people);
begin
  perform set_config('request.jwt.claims', jsonb_build_object('sub', v_ada, 'role', 'authenticated')::text, true);
  update public.agents set system_prompt = offer_next.prompt where id = (select agent_id from original);
  perform private.publish_agent_version((select agent_id from original), null, 'Better.', null);
  insert into public.listing_revisions (listing_id, title, short_description, long_description, category)
  select listing_id, 'Free writer', 'Short.', 'Long.', 'Writing' from original;
  perform private.submit_listing(listing_id) from original;
  perform set_config('request.jwt.claims', '', true);
  update public.listing_revisions set status = 'approved' where status = 'pending_review';
end
$$;

-- Installing ------------------------------------------------------------------------------------------
select tests.sign_in(mia) from people;
select is(tests.code_of('select public.install_listing(free, buyer) from offers, shop'), 'not_allowed',
  'members do not install');
select tests.sign_in(sam) from people;
select is(tests.code_of('select public.install_listing(free, buyer) from offers, shop'), 'organization_not_found',
  'nor do strangers');
select tests.sign_in(ada) from people;
select is(tests.code_of('select public.install_listing(free, maker) from offers, shop'), 'own_listing',
  'nobody installs their own');
select tests.sign_in(ines) from people;
select is(tests.code_of('select public.install_listing(gen_random_uuid(), buyer) from shop'), 'listing_not_found',
  'there must be something to install');
select is(tests.code_of('select public.install_listing(free, buyer, ''{"mood": 1}'') from offers, shop'),
  'parameter_unknown', 'presets name parameters');
select is(tests.code_of('select public.install_listing(free, buyer, ''{"tone": 1}'') from offers, shop'),
  'parameter_invalid', 'and fit them');
select is(tests.code_of('select public.install_listing(free, buyer, ''[]'') from offers, shop'),
  'parameter_invalid', 'in an object');
create temporary table install as
select i.* from offers, shop, public.install_listing(free, buyer, '{"tone": "brisk"}') as i;
select results_eq(
  $$select a.name, a.is_custom, a.status, a.visibility::text, v.version, v.system_prompt, v.parameters -> 0 ->> 'default_value'
    from install as i join public.agents as a on a.id = i.cloned_agent_id
      join public.agent_versions as v on v.id = a.current_version_id$$,
  $$values ('Free writer', false, 'active', 'organization', '1.0.0', 'Be brief.', 'brisk')$$,
  'the organization gets a copy, ready to run, with its own presets');
select is(tests.code_of('select public.install_listing(free, buyer) from offers, shop'), 'already_installed', 'once');
select results_eq('select install_count from public.marketplace_listings as l, public.stats(l) as s, offers where l.id = free',
  'values (1::bigint)', 'it counts');
select tests.sign_in(mia) from people;
select is((select count(*) from public.marketplace_installs), 1::bigint, 'members see what is installed');
select tests.sign_in(ada) from people;
select is((select count(*) from public.marketplace_installs), 0::bigint, 'the publisher does not see by whom');
select is((select sum(count) from public.agent_activity where event_type = 'install'), 1::numeric, 'only that');
select tests.sign_out();
select is((select count(*) from public.webhook_deliveries), 0::bigint, 'nobody asked to hear of it');

-- The copy counts for the limit.
update public.organizations set max_agents = 1 from shop where id = buyer;
insert into public.purchases (listing_id, organization_id) select dear, buyer from offers, shop;
update public.purchases set status = 'paid';
select tests.sign_in(ines) from people;
select is(tests.code_of('select public.install_listing(dear, buyer) from offers, shop'), 'agent_limit_reached',
  'copies count for max_agents');
select tests.sign_out();
update public.organizations set max_agents = 10 from shop where id = buyer;
delete from public.purchases;

-- Paying ----------------------------------------------------------------------------------------------
select tests.sign_in(mia) from people;
select is(tests.code_of('insert into public.purchases (listing_id, organization_id) select dear, buyer from offers, shop'),
  '42501', 'members do not buy');
select tests.sign_in(ines) from people;
select is(tests.code_of('select public.install_listing(dear, buyer) from offers, shop'), 'purchase_required',
  'what has a price is bought first');
select is(tests.code_of('insert into public.purchases (listing_id, organization_id) select free, buyer from offers, shop'),
  'listing_not_found', 'what is free is not');
insert into public.purchases (listing_id, organization_id) select dear, buyer from offers, shop;
select results_eq('select status, amount_usd from public.purchases', $$values ('pending', 20.00)$$,
  'a purchase begins, at the price of now');
select is(tests.code_of('insert into public.purchases (listing_id, organization_id) select dear, buyer from offers, shop'),
  '23505', 'once');
select is(tests.code_of('update public.purchases set status = ''paid'''), '42501', 'nobody pays by hand');
select is(tests.code_of('select public.install_listing(dear, buyer) from offers, shop'), 'purchase_required',
  'beginning is not enough');
select tests.sign_in_as_service_role();
update public.purchases set status = 'paid', stripe_reference = 'pi_1';
select is(tests.code_of('update public.purchases set status = ''pending'''), 'purchase_state_conflict',
  'what is paid does not become unpaid');
select tests.sign_in(ines) from people;
select isnt((public.install_listing(dear, buyer)).cloned_agent_id, null, 'what is paid is installed')
from offers, shop;
select tests.sign_in_as_service_role();
update public.purchases set status = 'refunded';
select tests.sign_in(ines) from people;
select results_eq(
  $$select i.uninstalled_at is not null, a.status from public.marketplace_installs as i
      join public.agents as a on a.id = i.cloned_agent_id, offers where i.listing_id = dear$$,
  $$values (true, 'archived')$$, 'a refund ends it');
select is((select count(*) from public.notifications where kind = 'install.ended'), 1::bigint, 'with notice');

-- Updating --------------------------------------------------------------------------------------------
select is((public.update_install(id)).agent_version_id = agent_version_id, true, 'up to date, nothing happens') from install;
select tests.sign_out();
insert into public.agent_parameters (agent_id, name, default_value)
select agent_id, 'length', '"short"' from original;
update public.agent_parameters set default_value = '"stern"' from original
where agent_parameters.agent_id = original.agent_id and name = 'tone';
select pg_temp.offer_next('Be briefer.');
select tests.sign_in(ines) from people;
select is((select count(*) from public.notifications where kind = 'install.update_available'), 1::bigint,
  'who has it installed hears of a new version');
select tests.sign_in(mia) from people;
select is(tests.code_of('select public.update_install(id) from install'), 'not_allowed', 'members do not update');
select tests.sign_in(sam) from people;
select is(tests.code_of('select public.update_install(id) from install'), 'install_not_found', 'strangers see none');
select tests.sign_in(ines) from people;
select isnt((public.update_install(id)).agent_version_id, agent_version_id, 'admins do') from install;
select results_eq(
  $$select v.version, v.system_prompt, v.parameters @> '[{"name": "tone", "default_value": "brisk"}]',
      v.parameters @> '[{"name": "length", "default_value": "short"}]'
    from install as i join public.agents as a on a.id = i.cloned_agent_id
      join public.agent_versions as v on v.id = a.current_version_id$$,
  $$values ('1.0.1', 'Be briefer.', true, true)$$,
  'the copy is the live version, with the presets that are its own');
select tests.sign_out();
update public.agent_parameters set default_value = '"tiny"' from original
where agent_parameters.agent_id = original.agent_id and name = 'length';
select pg_temp.offer_next('Be briefest.');
select tests.sign_in(ines) from people;
select public.publish_agent_version(cloned_agent_id, '7.0.0') from install;
insert into public.eval_suites (organization_id, agent_id, name, is_required)
select organization_id, cloned_agent_id, 'Our manners', true from install;
select public.update_install(id) from install;
select results_eq(
  $$select v.version, v.parameters @> '[{"name": "tone", "default_value": "brisk"}, {"name": "length", "default_value": "tiny"}]'
    from install as i join public.agents as a on a.id = i.cloned_agent_id
      join public.agent_versions as v on v.id = a.current_version_id$$,
  $$values ('7.0.1', true)$$, 'what was never changed follows the publisher, and numbers only rise');
select is(tests.code_of('select public.publish_agent_version(cloned_agent_id) from install'), 'eval_required',
  'a suite of the organization holds back its own versions, not the publisher''s');

-- Whose runs count ------------------------------------------------------------------------------------
select tests.sign_out();
select is(private.credited_agent_id(cloned_agent_id, ines) = agent_id, true, 'runs of the copy count for the original')
from install, people, original;
select is(private.credited_agent_id(cloned_agent_id, ada), null, 'but not those of its maker') from install, people;
select is(private.credited_agent_id(agent_id, ada), null, 'whose own runs never count') from original, people;
select is(private.credited_agent_id(agent_id, sam) = agent_id, true, 'others'' do') from original, people;
select tests.sign_in(ines) from people;
select public.run_agent(cloned_agent_id) from install;
select tests.sign_out();
update public.executions set status = 'running';
update public.executions set status = 'completed', output = '{}';
select results_eq('select c.total_uses from original, private.agent_counts(agent_id) as c', 'values (1::bigint)',
  'a run of the copy is a use');
select is((select count(*) from public.agent_events as e, original where e.agent_id = original.agent_id and event_type = 'use'),
  1::bigint, 'and an event');

-- The end ---------------------------------------------------------------------------------------------
select tests.sign_in(mia) from people;
select is(tests.code_of('select public.uninstall_listing(id) from install'), 'not_allowed', 'members do not uninstall');
select tests.sign_in(ines) from people;
select isnt((public.uninstall_listing(id)).uninstalled_at, null, 'admins do') from install;
select is((select a.status from public.agents as a, install where a.id = cloned_agent_id), 'archived', 'the copy is archived');
select is(tests.code_of('update public.agents as a set status = ''active'' from install where a.id = cloned_agent_id'),
  'install_ended', 'for good');
select is(tests.code_of('select public.update_install(id) from install'), 'install_ended', 'and not updated');
select results_eq('select install_count from public.marketplace_listings as l, public.stats(l) as s, offers where l.id = free',
  'values (0::bigint)', 'it counts no more');
select tests.sign_in(ada) from people;
create temporary table second as select id from public.create_organization('Ada''s second');
select lives_ok('select public.install_listing(free, second.id) from offers, second',
  'who makes an agent installs it elsewhere');
select results_eq('select install_count from public.marketplace_listings as l, public.stats(l) as s, offers where l.id = free',
  'values (0::bigint)', 'which does not count');
select public.uninstall_listing(i.id) from public.marketplace_installs as i, second where i.organization_id = second.id;
select tests.sign_out();
select is_empty('select * from private.recount()', 'nor when it ends');
select tests.sign_in(ines) from people;
create temporary table again as select i.* from offers, shop, public.install_listing(free, buyer) as i;
select public.delete_agent(cloned_agent_id) from again;
select isnt((select i.uninstalled_at from public.marketplace_installs as i, again where i.id = again.id), null,
  'deleting the copy ends the install too');
select tests.sign_out();
select is(tests.code_of('update public.marketplace_installs set uninstalled_at = null'), 'install_ended',
  'no hand brings an ended install back');
delete from public.agents as a using original where a.id = original.agent_id;
select is((select count(*) from public.marketplace_installs where listing_id is null), 3::bigint,
  'installs outlive what the publisher purged');

select * from finish();
rollback;
