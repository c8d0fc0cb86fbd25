-- Rubrics: what is refused when a case is saved, and what an answer scores.
begin;
select plan(62);

create function pg_temp.score(criterion jsonb, expected jsonb, answer text) returns numeric
language sql as $$ select score from private.score_criterion(criterion, expected, jsonb_build_object('text', answer)) $$;
create function pg_temp.feedback(criterion jsonb, answer text) returns text
language sql as $$ select feedback from private.score_criterion(criterion, null, jsonb_build_object('text', answer)) $$;
create function pg_temp.problem(criterion jsonb, expected jsonb default null) returns text
language sql as $$ select private.rubric_problem(jsonb_build_object('criteria', jsonb_build_array(criterion)), expected) $$;
create function pg_temp.fits(schema jsonb, value jsonb) returns boolean
language sql as $$ select private.json_mismatch(schema, value) is null $$;

-- What is refused
select matches(private.rubric_problem('[]', null), 'criteria', 'a rubric is an object with criteria');
select matches(private.rubric_problem('{"criteria": []}', null), '1 to 20', 'it has at least one');
select matches(private.rubric_problem('{"criteria": [{"type": "exact"}], "pass_score": 101}', '"x"'), 'pass_score', 'a pass score is at most 100');
select matches(private.rubric_problem('{"criteria": [{"type": "exact"}], "minimum": 1}', '"x"'), 'it is', 'an unknown field is refused');
select matches(pg_temp.problem('{"type": "vibes"}'), 'none of the types', 'so is an unknown type');
select matches(pg_temp.problem('{"type": "exact", "weight": 0}', '"x"'), 'weight', 'so is a criterion that weighs nothing');
select matches(pg_temp.problem('{"type": "exact", "values": []}', '"x"'), 'does not know', 'so is a field of another type');
select matches(pg_temp.problem('{"type": "exact", "ignore_case": "yes"}', '"x"'), 'switch', 'so is a switch that is a text');
select matches(pg_temp.problem('{"type": "exact"}'), 'nothing to compare', 'exact needs something to compare with');
select is(pg_temp.problem('{"type": "exact", "expected": {"a": 1}}'), null, 'which it may bring itself');
select matches(pg_temp.problem('{"type": "similarity"}', '{"a": 1}'), 'text', 'similarity compares texts');
select matches(pg_temp.problem('{"type": "contains", "values": [""]}'), 'texts', 'the empty text is in everything');
select matches(pg_temp.problem('{"type": "regex", "pattern": "("}'), 'regular expression', 'a pattern must be one');
select matches(pg_temp.problem('{"type": "regex", "pattern": "(a)\\1"}'), 'back-reference', 'without back-references');
select matches(pg_temp.problem('{"type": "json_schema", "schema": {"type": "text"}}'), 'no type of JSON', 'a schema names types of JSON');
select matches(pg_temp.problem('{"type": "json_schema", "schema": {"type": ["string", 5]}}'), 'no type of JSON', 'all of them');
select matches(pg_temp.problem('{"type": "json_schema", "schema": {"properties": {"a": {"format": "email"}}}}'), 'properties.a.format is not supported', 'a keyword that nobody checks is refused, with its place');
select matches(pg_temp.problem('{"type": "json_schema", "schema": {"anyOf": [{"minimum": "1"}]}}'), 'anyOf\[0\].minimum', 'so is a bound that is no number');
select matches(pg_temp.problem('{"type": "json_schema", "schema": {"pattern": "("}}'), 'schema.pattern', 'so is a pattern in a schema');
select matches(pg_temp.problem('{"type": "json_schema", "schema": 5}'), 'not a schema', 'a schema is an object');
select matches(pg_temp.problem('{"type": "llm_judge"}'), 'instructions', 'a judge needs instructions');
select matches(pg_temp.problem('{"type": "llm_judge", "instructions": "x", "model": "gpt"}'), '<provider>/<name>', 'and a model with its provider');
select is(private.rubric_problem('{"criteria": [{"type": "contains", "values": ["a"], "weight": 2}, {"type": "llm_judge", "instructions": "Is it kind?"}], "pass_score": 50}', null), null, 'what can be scored is accepted');

-- exact
select is(pg_temp.score('{"type": "exact"}', '"Paris"', E' Paris\n'), 100::numeric, 'exact ignores the spaces around');
select is(pg_temp.score('{"type": "exact"}', '"Paris"', 'paris'), 0::numeric, 'but not the case');
select is(pg_temp.score('{"type": "exact", "ignore_case": true}', '"Paris"', 'PARIS'), 100::numeric, 'unless told to');
select is(pg_temp.score('{"type": "exact"}', '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'), 100::numeric, 'JSON is compared as JSON');
select is(pg_temp.score('{"type": "exact"}', '{"a": 1}', E'```json\n{"a": 1}\n```'), 100::numeric, 'in a fence, too');
select is(pg_temp.score('{"type": "exact"}', '{"a": 1}', 'a is 1'), 0::numeric, 'no JSON is not that JSON');
select is(pg_temp.feedback('{"type": "exact", "expected": "x"}', 'y'), 'Differs from what is expected.', 'and is told so');
-- contains
select is(pg_temp.score('{"type": "contains", "values": ["one", "two", "three", "four"]}', null, 'one and four'), 50::numeric, 'each value is worth its share');
select is(pg_temp.feedback('{"type": "contains", "values": ["one", "two"]}', 'one'), 'Lacks: two.', 'what is missing is named');
select is(pg_temp.score('{"type": "contains"}', '"Paris"', 'It is Paris.'), 100::numeric, 'without values it is the expected text');
select is(pg_temp.score('{"type": "contains", "values": ["SORRY"], "negate": true, "ignore_case": true}', null, 'sorry, no'), 0::numeric, 'negated it must not be there');
select is(pg_temp.feedback('{"type": "contains", "values": ["sorry"], "negate": true}', 'sorry'), 'Contains: sorry.', 'what is there is named');
select is(pg_temp.score('{"type": "contains", "values": ["100%"]}', null, '100 %'), 0::numeric, 'no character is a wildcard');
-- regex
select is(pg_temp.score('{"type": "regex", "pattern": "^\\d{4}$"}', null, '2026'), 100::numeric, 'a pattern that matches');
select is(pg_temp.score('{"type": "regex", "pattern": "^yes", "ignore_case": true}', null, 'Yes, sir'), 100::numeric, 'with the case folded');
select is(pg_temp.score('{"type": "regex", "pattern": "^yes"}', null, 'Yes'), 0::numeric, 'and one that does not');
-- similarity
select is(pg_temp.score('{"type": "similarity"}', '"the quick brown fox"', 'the quick brown fox'), 100::numeric, 'a text is like itself');
select ok(pg_temp.score('{"type": "similarity"}', '"the quick brown fox"', 'the quick red fox') between 40 and 90, 'and somewhat like another');
-- json_schema
select is(pg_temp.score('{"type": "json_schema", "schema": {"type": "object", "required": ["a"]}}', null, '{"a": 1}'), 100::numeric, 'an answer that fits its schema');
select is(pg_temp.feedback('{"type": "json_schema", "schema": {"required": ["a"]}}', '{"b": 1}'), 'The answer lacks "a".', 'what does not fit is named');
select is(pg_temp.feedback('{"type": "json_schema", "schema": {}}', 'hello'), 'The answer is not JSON.', 'so is an answer that is no JSON');
select is(private.json_mismatch('{"properties": {"a": {"items": {"type": "integer"}}}}', '{"a": [1, 2.5]}'), 'The answer.a[1] is not of type integer.', 'with its place');
select is((select score from private.score_criterion('{"type": "llm_judge", "instructions": "x"}', null, '{"text": "x"}')), null::numeric, 'a judge''s score is not made here');

-- The keywords, each with what fits and what does not
select ok(pg_temp.fits('{"type": ["integer", "null"]}', '3.0') and pg_temp.fits('{"type": ["integer", "null"]}', 'null') and not pg_temp.fits('{"type": ["integer", "null"]}', '"3"'), 'type');
select ok(pg_temp.fits('{"enum": [1, {"a": 2}]}', '{"a": 2}') and not pg_temp.fits('{"enum": [1, {"a": 2, "b": 3}]}', '{"a": 2}'), 'enum');
select ok(pg_temp.fits('{"enum": [[1, 2]]}', '[1, 2]') and not pg_temp.fits('{"enum": [[1, 2]]}', '[1]') and not pg_temp.fits('{"enum": [[1]]}', '1'), 'enum compares whole values');
select ok(pg_temp.fits('{"const": [1]}', '[1]') and not pg_temp.fits('{"const": [1]}', '[2]'), 'const');
select ok(pg_temp.fits('{"minimum": 1, "maximum": 2}', '2') and not pg_temp.fits('{"minimum": 1}', '0.9') and not pg_temp.fits('{"maximum": 2}', '2.1'), 'minimum and maximum');
select ok(pg_temp.fits('{"exclusiveMinimum": 1}', '1.1') and not pg_temp.fits('{"exclusiveMinimum": 1}', '1') and not pg_temp.fits('{"exclusiveMaximum": 1}', '1'), 'exclusive bounds');
select ok(pg_temp.fits('{"minLength": 2, "maxLength": 3}', '"äö"') and not pg_temp.fits('{"minLength": 2}', '"ä"') and not pg_temp.fits('{"maxLength": 3}', '"abcd"') and pg_temp.fits('{"minLength": 2}', '5'), 'lengths count characters, of texts only');
select ok(pg_temp.fits('{"pattern": "^a"}', '"abc"') and not pg_temp.fits('{"pattern": "^a"}', '"bc"'), 'pattern');
select ok(pg_temp.fits('{"minItems": 1, "maxItems": 2}', '[1]') and not pg_temp.fits('{"minItems": 1}', '[]') and not pg_temp.fits('{"maxItems": 1}', '[1, 2]'), 'numbers of items');
select ok(pg_temp.fits('{"items": {"type": "string"}}', '["a"]') and not pg_temp.fits('{"items": {"type": "string"}}', '["a", 1]'), 'items');
select ok(not pg_temp.fits('{"properties": {"a": {}}, "additionalProperties": false}', '{"b": 1}') and pg_temp.fits('{"additionalProperties": {"type": "number"}}', '{"b": 1}') and not pg_temp.fits('{"additionalProperties": {"type": "number"}}', '{"b": "1"}'), 'additionalProperties');
select ok(pg_temp.fits('{"anyOf": [{"type": "string"}, {"minimum": 5}]}', '6') and not pg_temp.fits('{"anyOf": [{"type": "string"}, {"minimum": 5}]}', '4'), 'anyOf');
select ok(pg_temp.fits('{"allOf": [{"minimum": 1}, {"maximum": 5}]}', '4') and not pg_temp.fits('{"allOf": [{"minimum": 1}, {"maximum": 5}]}', '6'), 'allOf');
select ok(pg_temp.fits('{"oneOf": [{"minimum": 1}, {"maximum": 5}]}', '6') and not pg_temp.fits('{"oneOf": [{"minimum": 1}, {"maximum": 5}]}', '4'), 'oneOf');
select ok(pg_temp.fits('{"not": {"type": "string"}}', '1') and not pg_temp.fits('{"not": {"type": "string"}}', '"1"'), 'not');
select ok(pg_temp.fits('true', '1') and not pg_temp.fits('false', '1'), 'true and false are schemas');

select * from finish();
rollback;
