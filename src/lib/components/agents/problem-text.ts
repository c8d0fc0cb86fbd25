import type { ValueProblem } from '$lib/agents/parameter-values.ts';
import { m } from '$lib/messages/messages.ts';

/** The words beside a field whose value cannot be sent. */
export function problemText(problem: ValueProblem): string {
  switch (problem.kind) {
    case 'too_short':
    case 'too_long':
    case 'too_few':
    case 'too_many':
      return m.agents.problems[problem.kind](problem.limit);
    case 'too_small':
    case 'too_large':
      return m.agents.problems[problem.kind](problem.limit);
    default:
      return m.agents.problems[problem.kind];
  }
}
