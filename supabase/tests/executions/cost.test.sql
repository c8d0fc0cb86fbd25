-- What a model call costs, what a run holds back, and that every month's totals add up.
begin;
select plan(23);

insert into public.models
  (provider, name, title, context_window, max_output_tokens, input_usd_per_million,
   cached_input_usd_per_million, output_usd_per_million, long_prompt_tokens, long_prompt_input_factor,
   long_prompt_output_factor, source_url, priced_at)
values ('test', 'priced', 'Priced', 100000, 4000, 3, 0.3, 15, 1000, 2, 1.5, 'https://example.com', '2026-01-01');

select is(private.model_cost('test/priced', 1000, 0, 100), 0.0045, 'input and output tokens at their prices');
select is(private.model_cost('test/priced', 1000, 400, 100), 0.00342, 'cached input tokens at theirs');
select is(private.model_cost('test/priced', 1000, 5000, 0), 0.0003, 'no more of them than input tokens');
select is(private.model_cost('test/priced', 1001, 0, 100), 0.008256, 'a long prompt raises the price of the whole call');
select is(private.model_cost('test/priced', 0, 0, 0), 0::numeric, 'no tokens cost nothing');
select is(private.model_cost('test/priced', null, null, null), null, 'unknown ones an unknown sum');
select is(private.model_cost('demo/echo', 1000, 0, 1000), 0::numeric, 'the offline demo costs nothing');
select is(private.model_cost('openai-compatible/llama3', 1000, 0, 1000), null, 'an unknown price is unknown, not nothing');

select is(count(*), 0::bigint, 'every priced model names where its price was read')
from public.models where not is_offline and source_url is null;
select isnt(count(*), 0::bigint, 'OpenAI''s and Anthropic''s models are listed')
from public.models where provider in ('openai', 'anthropic');
select ok(is_offline and title like '%offline%', 'the demo model says what it is') from public.models where id = 'demo/echo';
select throws_ok(
  $$insert into public.models (provider, name, title, context_window, max_output_tokens, input_usd_per_million,
      cached_input_usd_per_million, output_usd_per_million, priced_at)
    values ('test', 'rumour', 'Rumour', 1, 1, 1, 1, 1, '2026-01-01')$$,
  '23514', null, 'a price without a source is refused');

-- Reservations
create function pg_temp.version(max_tokens integer, tools jsonb, config jsonb) returns public.agent_versions
language sql stable
as $$
  select jsonb_populate_record(null::public.agent_versions, jsonb_build_object(
    'system_prompt', repeat('x', 298), 'model', 'test/priced', 'max_tokens', max_tokens,
    'tools', tools, 'mcp_servers', '[]'::jsonb, 'agent_config', config))
$$;
select is(private.reservation(pg_temp.version(1000, '[]', '{}'), '{}'), 0.0153, 'without tools: the prompt and one answer');
select is(private.reservation(pg_temp.version(null, '[]', '{}'), '{}'), 0.0603, 'without a limit: the longest answer of the model');
select is(private.reservation(pg_temp.version(1000, '[{}]', '{"max_steps": 3}'), '{}'), 0.0453, 'with tools: one answer a step');
select is(private.reservation(pg_temp.version(1000, '[{}]', '{}'), '{}'), 0.1503, 'ten steps unless configured');
select is(private.reservation(pg_temp.version(1000, '[{}]', '{"max_steps": "many"}'), '{}'), 0.1503, 'nonsense counts as not configured');
select is(private.configured_integer('{"n": 1e9}', 'n', 1, 100), 100, 'a configured number is kept within bounds');

-- Totals
select tests.create_user('ada');
create temporary table run as
with inserted as (
  insert into public.executions (organization_id, user_id, agent_id, agent_version_id, reserved_usd)
  select tests.personal_organization(p.id), p.id, private.uuid_v7(), private.uuid_v7(), 2
  from public.profiles as p, generate_series(1, 3) where p.username = 'ada'
  returning id
)
select id, row_number() over (order by id) as n from inserted;
create function pg_temp.totals() returns table (root_runs numeric, reserved_usd numeric, cost_usd numeric)
language sql stable
as $$
  select sum(t.root_runs), sum(t.reserved_usd), sum(t.cost_usd) from private.execution_totals as t
$$;
select results_eq('select * from pg_temp.totals()', $$values (3::numeric, 6::numeric, 0::numeric)$$, 'new runs count and reserve');
update public.executions set status = 'running', cost_usd = 0.5 where id = (select id from run where n = 1);
update public.executions set status = 'pending' where id = (select id from run where n = 1);
select results_eq('select * from pg_temp.totals()', $$values (3::numeric, 6::numeric, 0::numeric)$$, 'a next attempt reserves nothing more');
update public.executions set status = 'running' where id = (select id from run where n = 1);
update public.executions set status = 'completed' where id = (select id from run where n = 1);
select results_eq('select * from pg_temp.totals()', $$values (3::numeric, 4::numeric, 0.5)$$, 'a finished run gives back what it reserved and books what it cost');
update public.executions set status = 'cancelled' where id = (select id from run where n = 2);
select results_eq('select * from pg_temp.totals()', $$values (3::numeric, 2::numeric, 0.5)$$, 'a cancelled one too');
delete from public.executions where status in ('pending', 'completed');
select results_eq('select * from pg_temp.totals()', $$values (3::numeric, 0::numeric, 0.5)$$, 'deleting runs neither frees the quota nor the money spent');

select * from finish();
rollback;
