import { en } from './en.ts';

/** What every text of the app is read from; a language is one more file of this shape. */
export type Messages = typeof en;

export const m: Messages = en;
