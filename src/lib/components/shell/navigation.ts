import Activity from '@lucide/svelte/icons/activity';
import Bot from '@lucide/svelte/icons/bot';
import { m } from '$lib/messages/messages.ts';
import type { Component } from 'svelte';

export type NavigationEntry = {
  href: string;
  label: string;
  icon: Component;
  /** Pressed after `g`. */
  letter: string;
};

/** The places of the rail, top to bottom. A context that gets pages adds its line. */
export const NAVIGATION: NavigationEntry[] = [
  { href: '/agents', label: m.navigation.agents, icon: Bot, letter: 'a' },
  { href: '/runs', label: m.navigation.runs, icon: Activity, letter: 'r' },
];

/** Whether a page is the place or stands below it. */
export function isCurrentPlace(href: string, pathname: string): boolean {
  return pathname === href || pathname.startsWith(`${href}/`);
}
