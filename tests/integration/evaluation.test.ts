import { expect, it } from 'vitest';
import { signUp } from '../support/stack.ts';

it('a suite is made, run and followed over REST, and holds a version back', async () => {
  const { client, organizationId } = await signUp('examiner');
  const { data: agent } = await client
    .from('agents')
    .insert({ organization_id: organizationId, name: 'Examined', user_prompt_template: 'Hi' })
    .select('id')
    .single()
    .throwOnError();
  const { data: suite } = await client
    .from('eval_suites')
    .insert({
      organization_id: organizationId,
      agent_id: agent.id,
      name: 'Manners',
      is_required: true,
    })
    .select('id')
    .single()
    .throwOnError();

  const refused = await client.from('eval_test_cases').insert({
    ...{ suite_id: suite.id, name: 'Bad', input: {} },
    scoring_rubric: { criteria: [{ type: 'regex', pattern: '(' }] },
  });
  expect(refused.error?.details).toBe('rubric_invalid');
  await client
    .from('eval_test_cases')
    .insert({ suite_id: suite.id, name: 'Greets', input: {}, expected_output: 'Hello' })
    .throwOnError();

  const { data: run } = await client.rpc('run_eval_suite', { suite_id: suite.id }).throwOnError();
  expect(run).toMatchObject({ status: 'pending', total_tests: 1, agent_id: agent.id });

  const early = await client.rpc('publish_agent_version', { agent_id: agent.id });
  expect(early.error?.details).toBe('eval_required');

  const { data: result } = await client
    .from('eval_results')
    .select('execution_id')
    .eq('run_id', run.id)
    .single()
    .throwOnError();
  await client.rpc('cancel_execution', { execution_id: result.execution_id }).throwOnError();
  const { data: ended } = await client
    .from('eval_runs')
    .select('status, failed_tests, eval_results(status, feedback)')
    .eq('id', run.id)
    .single()
    .throwOnError();
  expect(ended).toEqual({
    status: 'failed',
    failed_tests: 1,
    eval_results: [{ status: 'error', feedback: 'The run was cancelled.' }],
  });
});
