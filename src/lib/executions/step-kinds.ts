import Bot from '@lucide/svelte/icons/bot';
import BrainCircuit from '@lucide/svelte/icons/brain-circuit';
import Code from '@lucide/svelte/icons/code';
import DatabaseZap from '@lucide/svelte/icons/database-zap';
import GitFork from '@lucide/svelte/icons/git-fork';
import Search from '@lucide/svelte/icons/search';
import UserRound from '@lucide/svelte/icons/user-round';
import Wrench from '@lucide/svelte/icons/wrench';
import type { Component } from 'svelte';

type StepKind = { icon: Component; color: string };

const KINDS: Record<string, StepKind> = {
  llm_call: { icon: BrainCircuit, color: 'var(--chart-1)' },
  tool_call: { icon: Wrench, color: 'var(--chart-4)' },
  memory_access: { icon: DatabaseZap, color: 'var(--chart-3)' },
  retrieval: { icon: Search, color: 'var(--chart-2)' },
  a2a_call: { icon: Bot, color: 'var(--chart-6)' },
  decision: { icon: GitFork, color: 'var(--chart-7)' },
  code: { icon: Code, color: 'var(--chart-8)' },
  human_input: { icon: UserRound, color: 'var(--chart-5)' },
};

/** How a type of step looks in the trace; the same colour wherever steps are shown. */
export function stepKind(type: string): StepKind {
  return KINDS[type] ?? { icon: Code, color: 'var(--faint)' };
}
