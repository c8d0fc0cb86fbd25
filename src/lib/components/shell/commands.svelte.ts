import { goto } from '$app/navigation';
import { createContext, untrack, type Component } from 'svelte';

/** Something that the command palette offers and a shortcut may start. */
export type Command = {
  id: string;
  label: string;
  /** Heading under which it stands. */
  group: string;
  icon?: Component;
  /** Further words that find it. */
  keywords?: string;
  /** `g a`: one after the other; `mod+s`: together. */
  shortcut?: string;
} & ({ href: string } | { run: () => void });

/** Finds commands for words that were typed, for example agents by name. */
export type CommandSearch = (words: string) => Promise<Command[]>;

const SEQUENCE_MS = 1_200;

export class CommandRegistry {
  isPaletteOpen = $state(false);
  isHelpOpen = $state(false);
  #lists: (() => Command[])[] = $state.raw([]);
  #searches: CommandSearch[] = $state.raw([]);
  #pressed: { key: string; at: number } | null = null;

  readonly commands: Command[] = $derived(this.#lists.flatMap((list) => list()));

  add(list: () => Command[]): () => void {
    this.#lists = [...this.#lists, list];
    return () => {
      this.#lists = this.#lists.filter((other) => other !== list);
    };
  }

  addSearch(search: CommandSearch): () => void {
    this.#searches = [...this.#searches, search];
    return () => {
      this.#searches = this.#searches.filter((other) => other !== search);
    };
  }

  /** What all searches find; one that fails does not silence the others. */
  async search(words: string): Promise<Command[]> {
    const found = await Promise.allSettled(this.#searches.map((search) => search(words)));
    return found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  }

  run(command: Command): void {
    this.isPaletteOpen = false;
    if ('href' in command) void goto(command.href);
    else command.run();
  }

  /** Answers the keys of the whole window; the page's own fields keep theirs. */
  handleKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    const withModifier = event.ctrlKey || event.metaKey;

    if (withModifier && key === 'k') {
      event.preventDefault();
      this.isPaletteOpen = !this.isPaletteOpen;
      return;
    }
    if (withModifier) {
      this.#start(`mod+${key}`, event);
      return;
    }
    if (isTyping(event.target) || document.querySelector('[role="dialog"][data-state="open"]'))
      return;
    if (key === '?') {
      event.preventDefault();
      this.isHelpOpen = true;
      return;
    }

    const before =
      this.#pressed && event.timeStamp - this.#pressed.at < SEQUENCE_MS ? this.#pressed.key : '';
    this.#pressed = { key, at: event.timeStamp };
    if (!before || !this.#start(`${before} ${key}`, event)) this.#start(key, event);
  };

  #start(shortcut: string, event: KeyboardEvent): boolean {
    // The latest list wins: a page may take over a shortcut of the shell.
    const command = this.commands.findLast((candidate) => candidate.shortcut === shortcut);
    if (!command) return false;
    event.preventDefault();
    this.#pressed = null;
    this.run(command);
    return true;
  }
}

const [getRegistry, provideCommands] = createContext<CommandRegistry>();

export { getRegistry as useRegistry, provideCommands };

/** Offers commands for as long as the calling component lives. */
export function useCommands(list: () => Command[]): void {
  const registry = getRegistry();
  $effect(() => untrack(() => registry.add(list)));
}

/** Lets the palette find things by what people type, for as long as the calling component lives. */
export function useCommandSearch(search: CommandSearch): void {
  const registry = getRegistry();
  $effect(() => untrack(() => registry.addSearch(search)));
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('input, textarea, select, [contenteditable="true"]') !== null
  );
}
