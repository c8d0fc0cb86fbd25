import type { Component } from 'svelte';

/** One choice of a select, a combobox or a filter. */
export type Option = {
  value: string;
  label: string;
  /** A second line, in small. */
  hint?: string;
  icon?: Component;
  disabled?: boolean;
};
