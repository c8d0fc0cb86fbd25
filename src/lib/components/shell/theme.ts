import Monitor from '@lucide/svelte/icons/monitor';
import Moon from '@lucide/svelte/icons/moon';
import Sun from '@lucide/svelte/icons/sun';
import { m } from '$lib/messages/messages.ts';

/** The themes that people choose from, in the order in which menus show them. */
export const THEMES = [
  { value: 'light', label: m.shell.themes.light, icon: Sun },
  { value: 'dark', label: m.shell.themes.dark, icon: Moon },
  { value: 'system', label: m.shell.themes.system, icon: Monitor },
] as const;
