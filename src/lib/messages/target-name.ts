import type { RunContext } from '../executions/executions.ts';
import { m } from './messages.ts';

/** The name of what ran, or in words that it is gone or not the reader's to see. */
export function targetName({
  agent,
  team,
  workflow,
  target_type,
}: Pick<RunContext, 'agent' | 'team' | 'workflow' | 'target_type'>): string {
  return (agent ?? team ?? workflow)?.name ?? m.runs.gone[target_type];
}
