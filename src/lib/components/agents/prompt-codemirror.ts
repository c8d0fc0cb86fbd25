import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { EditorState, StateEffect, StateField, type Extension, type Text } from '@codemirror/state';
import { Decoration, EditorView, hoverTooltip, keymap, placeholder } from '@codemirror/view';
import type { DecorationSet } from '@codemirror/view';
import { findPlaceholders } from '$lib/agents/prompt.ts';
import { m } from '$lib/messages/messages.ts';

/** What a `{{name}}` stands for; `help` shows when the pointer rests on it. */
export type KnownName = { kind: 'parameter' | 'variable'; help: string };
/** A name that is not in the map stands for nothing yet. */
export type KnownNames = ReadonlyMap<string, KnownName>;

type Options = {
  text: string;
  names: KnownNames;
  placeholder: string;
  /** Attributes of the editable element: its label, what describes it. */
  attributes: Record<string, string>;
  onchange: (text: string) => void;
};

/** A CodeMirror editor that colours placeholders and underlines those that stand for nothing. */
export function createPromptEditor(parent: HTMLElement, options: Options): EditorView {
  return new EditorView({
    parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        history(),
        // Ctrl/Cmd-Enter belongs to the page; Tab moves on, so that the keyboard is never trapped.
        keymap.of([...defaultKeymap.filter(({ key }) => key !== 'Mod-Enter'), ...historyKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ spellcheck: 'true', ...options.attributes }),
        placeholder(options.placeholder),
        namesField.init(() => options.names),
        placeholderMarks,
        explainOnHover,
        theme,
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onchange(update.state.doc.toString());
        }),
      ],
    }),
  });
}

export function setKnownNames(view: EditorView, names: KnownNames): void {
  view.dispatch({ effects: namesChanged.of(names) });
}

/** Puts a text from elsewhere in place of what is there; undo takes it back. */
export function replaceText(view: EditorView, text: string): void {
  if (view.state.doc.toString() === text) return;
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

const namesChanged = StateEffect.define<KnownNames>();

const namesField = StateField.define<KnownNames>({
  create: () => new Map(),
  update: (names, transaction) =>
    transaction.effects.find((effect) => effect.is(namesChanged))?.value ?? names,
});

const placeholderMarks = StateField.define<DecorationSet>({
  create: (state) => mark(state.doc, state.field(namesField)),
  update: (marks, transaction) =>
    transaction.docChanged || transaction.effects.some((effect) => effect.is(namesChanged))
      ? mark(transaction.state.doc, transaction.state.field(namesField))
      : marks,
  provide: (field) => EditorView.decorations.from(field),
});

function mark(document: Text, names: KnownNames): DecorationSet {
  return Decoration.set(
    findPlaceholders(document.toString()).map(({ name, from, to }) =>
      MARKS[names.get(name)?.kind ?? 'missing'].range(from, to),
    ),
  );
}

const MARKS = {
  parameter: Decoration.mark({ class: 'cm-prompt-parameter' }),
  variable: Decoration.mark({ class: 'cm-prompt-variable' }),
  missing: Decoration.mark({ class: 'cm-prompt-missing' }),
};

const explainOnHover: Extension = hoverTooltip((view, position) => {
  const found = findPlaceholders(view.state.doc.toString()).find(
    ({ from, to }) => from <= position && position <= to,
  );
  if (!found) return null;
  return {
    pos: found.from,
    end: found.to,
    create: () => {
      const dom = document.createElement('div');
      dom.className = 'cm-prompt-help';
      dom.textContent =
        view.state.field(namesField).get(found.name)?.help ?? m.agents.editor.missingHelp;
      return { dom };
    },
  };
});

const theme = EditorView.theme({
  '&': { fontSize: 'var(--text-sm)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': { padding: '8px 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '.cm-prompt-parameter, .cm-prompt-variable, .cm-prompt-missing': {
    borderRadius: '4px',
    padding: '1px 2px',
    margin: '0 -1px',
  },
  '.cm-prompt-parameter': { color: 'var(--accent-ink)', backgroundColor: 'var(--accent-soft)' },
  '.cm-prompt-variable': {
    color: 'var(--muted)',
    backgroundColor: 'var(--sunken)',
    boxShadow: 'inset 0 0 0 1px var(--line)',
  },
  '.cm-prompt-missing': {
    color: 'var(--failed)',
    textDecoration: 'underline wavy',
    textUnderlineOffset: '3px',
  },
  '.cm-tooltip': { border: 'none', backgroundColor: 'transparent' },
  '.cm-prompt-help': {
    maxWidth: '20rem',
    padding: '4px 8px',
    border: '1px solid var(--line)',
    borderRadius: '8px',
    backgroundColor: 'var(--surface)',
    color: 'var(--ink)',
    boxShadow: 'var(--shadow)',
    fontFamily: 'var(--font-sans)',
    fontSize: 'var(--text-xs)',
  },
});
