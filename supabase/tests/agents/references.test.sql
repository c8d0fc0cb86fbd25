-- References that a key does not keep within one organization, and what keeps them there instead.
begin;
select plan(1);

select set_eq(
  $$select c.conrelid::regclass::text, a.attname::text
    from pg_constraint as c
      join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f'
      and c.conrelid in ('public.agents'::regclass, 'public.agent_versions'::regclass,
        'public.agent_tools'::regclass, 'public.agent_shares'::regclass,
        'public.agent_parameters'::regclass, 'public.agent_variables'::regclass,
        'public.mcp_servers'::regclass, 'public.agent_tags'::regclass)
      -- A child belongs to its agent, and so to its organization.
      and a.attname not in ('agent_id', 'organization_id')
      and exists (
        select from pg_attribute as t
        where t.attrelid = c.confrelid and t.attname = 'organization_id' and not t.attisdropped)
      and not exists (
        select from pg_attribute as o
        where o.attrelid = c.conrelid and o.attnum = any (c.conkey) and o.attname = 'organization_id')$$,
  $$values
    ('agent_tools', 'tool_id'), -- a trigger checks the tool's organization
    ('agents', 'current_version_id'), -- goes with the agent's own id
    ('agents', 'forked_from_agent_id'), -- written by fork_agent() alone, which checks the source
    ('agents', 'forked_from_version_id'), -- likewise
    ('agents', 'settings_id') -- a trigger checks the preset's organization
    $$,
  'every other reference carries the organization in its key');

select * from finish();
rollback;
