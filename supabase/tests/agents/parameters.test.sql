-- Typed parameters: what a definition may say, and what a run may send.
begin;
select plan(53);

create temporary table people as select tests.create_user('ada') as ada;
grant select on people to public;
select tests.sign_in(ada) from people;
insert into public.agents (organization_id, name) select tests.personal_organization(ada), 'Writer' from people;

create function pg_temp.definition_refused(definition jsonb) returns text
language sql
as $$
  select tests.code_of(format(
    'insert into public.agent_parameters (agent_id, name, type, default_value, options, validation_rules)
     select a.id, p.name, p.type, p.default_value, p.options, coalesce(p.validation_rules, ''{}'')
     from public.agents as a, jsonb_populate_record(null::public.agent_parameters, %L) as p', definition))
$$;

-- Names as people write them
select is(pg_temp.definition_refused('{"name": "Position", "type": "string"}'), null,
  'a word is a name');
select is(pg_temp.definition_refused('{"name": "Brand''s core product", "type": "string"}'), null,
  'so are several with an apostrophe');
select is(pg_temp.definition_refused('{"name": "points clés", "type": "string"}'), null,
  'accents are fine');
select is(pg_temp.definition_refused('{"name": "名称", "type": "string"}'), null,
  'and other scripts');
select is(pg_temp.definition_refused('{"name": "Product/Service/Project", "type": "string"}'), null,
  'and slashes');
select is(pg_temp.definition_refused('{"name": "position", "type": "string"}'), null,
  'case makes another name');
select is(pg_temp.definition_refused('{"name": "Position", "type": "string"}'), '23505',
  'a name comes once');
select is_empty(
  $$select c from unnest(string_to_array('( ) . [ { + } :', ' ')) as c
    where pg_temp.definition_refused(jsonb_build_object('name', 'a' || c || 'b', 'type', 'string')) is distinct from '23514'$$,
  'brackets, dots, plus and colon are code');
select is(pg_temp.definition_refused('{"name": " Position", "type": "string"}'), '23514',
  'names have no outer spaces');
select is(pg_temp.definition_refused('{"name": "", "type": "string"}'), '23514',
  'and are not empty');
select is(pg_temp.definition_refused('{"name": "two\nlines", "type": "string"}'), '23514',
  'or of two lines');

-- Definitions
select is(
  pg_temp.definition_refused('{"name": "a", "type": "select"}'), 'parameter_definition_invalid',
  'a select needs options');
select is(pg_temp.definition_refused('{"name": "a", "type": "select", "options": []}'),
  'parameter_definition_invalid',
  'at least one');
select is(pg_temp.definition_refused('{"name": "a", "type": "select", "options": ["x", "x"]}'),
  'parameter_definition_invalid',
  'all different');
select is(pg_temp.definition_refused('{"name": "a", "type": "select", "options": ["x", 1]}'),
  'parameter_definition_invalid',
  'all texts');
select is(pg_temp.definition_refused('{"name": "a", "type": "select", "options": ["x"], "default_value": "y"}'),
  'parameter_definition_invalid', 'a default is one of them');
select is(pg_temp.definition_refused('{"name": "a", "type": "string", "options": ["x"]}'),
  'parameter_definition_invalid',
  'a text has none');
select is(pg_temp.definition_refused('{"name": "a", "type": "number", "default_value": "5"}'),
  'parameter_definition_invalid',
  'a default has the type');
select is(pg_temp.definition_refused('{"name": "a", "type": "number", "validation_rules": {"pattern": "x"}}'),
  'parameter_definition_invalid', 'rules belong to the type');
select is(pg_temp.definition_refused('{"name": "a", "type": "string", "validation_rules": {"pattern": "("}}'),
  'parameter_definition_invalid', 'a pattern is a regular expression');
select is(
  pg_temp.definition_refused('{"name": "a", "type": "number", "validation_rules": {"min": "one"}}'),
  'parameter_definition_invalid', 'a rule has the right type');
select is(pg_temp.definition_refused('{"name": "n", "type": "number", "default_value": 5, "validation_rules": {"min": 1, "max": 9}}'), null,
  'a right definition is kept');

-- What a run sends
select tests.sign_out();
create function pg_temp.resolve(definition jsonb, given text) returns jsonb
language sql
as $$
  select private.resolve_parameters(
    jsonb_build_array('{"name": "p", "required": true, "validation_rules": {}}'::jsonb || definition),
    jsonb_build_object('p', given::jsonb)) -> 'p'
$$;
create function pg_temp.code(definition jsonb, given text) returns text
language sql
as $$
  select tests.code_of(format('select pg_temp.resolve(%L, %L)', definition, given))
$$;

select is(pg_temp.resolve('{"type": "string"}', '"x"'), '"x"', 'a text is taken');
select is(pg_temp.code('{"type": "string"}', '5'), 'parameter_invalid', 'a number is no text');
select is(pg_temp.code('{"type": "text", "validation_rules": {"max_length": 2}}',
  '"abc"'), 'parameter_invalid',
  'a text can be too long');
select is(pg_temp.code('{"type": "text", "validation_rules": {"min_length": 2}}',
  '"a"'), 'parameter_invalid',
  'or too short');
select is(pg_temp.code('{"type": "string", "validation_rules": {"pattern": "^[A-Z]{3}$"}}',
  '"abc"'), 'parameter_invalid',
  'or not match');
select is(
  pg_temp.code('{"type": "string", "validation_rules": {"pattern": "^[A-Z]{3}$"}}', '"ABC"'), null,
  'or match');
select is(pg_temp.resolve('{"type": "number"}', '1.5'), '1.5', 'a number is taken');
select is(pg_temp.code('{"type": "number"}', '"1.5"'), 'parameter_invalid', 'a text is no number');
select is(
  pg_temp.code('{"type": "number", "validation_rules": {"min": 0}}', '-1'), 'parameter_invalid',
  'a number can be too small');
select is(
  pg_temp.code('{"type": "number", "validation_rules": {"max": 0}}', '1'), 'parameter_invalid',
  'or too great');
select is(pg_temp.resolve('{"type": "boolean"}', 'false'), 'false', 'false is a value');
select is(pg_temp.code('{"type": "boolean"}', '"yes"'), 'parameter_invalid', 'yes is none');
select is(pg_temp.code('{"type": "select", "options": ["a", "b"]}', '"b"'), null,
  'an option is taken');
select is(pg_temp.code('{"type": "select", "options": ["a", "b"]}', '"c"'), 'parameter_invalid',
  'another is not');
select is(
  pg_temp.resolve('{"type": "multiselect", "options": ["a", "b"]}', '["b", "a"]'), '["b", "a"]',
  'options are taken in their order');
select is(
  pg_temp.code('{"type": "multiselect", "options": ["a", "b"]}', '["a", "c"]'), 'parameter_invalid',
  'another among them is not');
select is(pg_temp.code('{"type": "multiselect", "options": ["a", "b"], "validation_rules": {"max_items": 1}}', '["a", "b"]'),
  'parameter_invalid', 'there can be too many');
select is(pg_temp.code('{"type": "date"}', '"2024-02-29"'), null, 'a day is taken');
select is(pg_temp.code('{"type": "date"}', '"2023-02-29"'), 'parameter_invalid',
  'one that never was is not');
select is(pg_temp.code('{"type": "date", "validation_rules": {"min": "2024-01-01"}}',
  '"2023-12-31"'), 'parameter_invalid',
  'a day can be too early');
select is(pg_temp.resolve('{"type": "json"}', '{"a": [1]}'), '{"a": [1]}', 'json is any value');
select is(pg_temp.code('{"type": "string"}', 'null'), 'parameter_missing', 'null is no value');

select is(private.resolve_parameters('[{"name": "p", "type": "string", "required": true, "default_value": "d", "validation_rules": {}}]', '{}'),
  '{"p": "d"}', 'a default stands in');
select is(private.resolve_parameters('[{"name": "p", "type": "string", "required": false, "default_value": null, "validation_rules": {}}]', null),
  '{"p": null}', 'an optional one can be left out');
select is(private.resolve_parameters('[]', '{}'), '{}',
  'no parameters are right for an agent without');
select throws_ok($$select private.resolve_parameters('[{"name": "topic", "type": "string", "required": true}]', '{}')$$,
  'PT400', 'The parameter "topic" is missing.', 'an error names the parameter that is missing');
select throws_ok($$select private.resolve_parameters('[]', '{"topc": 1}')$$,
  'PT400', 'This agent has no parameter "topc".', 'or that it does not know');
select throws_ok($$select private.resolve_parameters('[{"name": "topic", "type": "number", "required": true}]', '{"topic": "x"}')$$,
  'PT400', 'The parameter "topic" must be a number.', 'or that does not fit');
select is(tests.code_of($$select private.resolve_parameters('[]', '[]')$$), 'parameter_invalid',
  'parameters are an object');
select is(
  tests.code_of($$select private.resolve_parameters('[]', '{"a": 1}')$$), 'parameter_unknown',
  'unknown ones are refused');
select is(tests.code_of($$select private.resolve_parameters('[{"name": "a", "type": "select", "options": ["{{b}}"], "required": true}]', '{"a": "{{b}}"}')$$),
  null, 'a value may look like a template: it is data');

select * from finish();
rollback;
