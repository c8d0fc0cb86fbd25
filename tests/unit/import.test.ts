import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  convertPrompt,
  importRows,
  readImport,
  type ImportResult,
  type ImportRow,
} from '../../src/lib/agents/import.ts';
import { namesIn } from '../../src/lib/agents/prompt.ts';

const sample = readFileSync(new URL('../fixtures/prompts-sample.csv', import.meta.url), 'utf8');
const collect = async (results: AsyncIterable<ImportResult>) => {
  const collected: ImportResult[] = [];
  for await (const result of results) collected.push(result);
  return collected;
};

describe('the expressions of a prompt', () => {
  test('become parameters, required where they have no default', () => {
    expect(convertPrompt('Write about ${topic} in ${tone:a calm} tone.')).toEqual({
      prompt: 'Write about {{topic}} in {{tone}} tone.',
      parameters: [
        { name: 'topic', type: 'string', required: true, default_value: null },
        { name: 'tone', type: 'string', required: false, default_value: 'a calm' },
      ],
      warnings: [],
    });
  });

  test.each(['Mother Language', "Brand's core product", 'points clés', '名称', 'a, b', 'a/b'])(
    'may be named as people name things: %s',
    (name) => {
      expect(convertPrompt(`\${${name}}`).prompt).toBe(`{{${name}}}`);
    },
  );

  test.each([
    '${user.name}',
    '${Date.now()}',
    '${rows[0]}',
    '${index + 1}',
    '${${inner}}',
    '${}',
    '${two\nlines}',
    '$name',
    '${open',
  ])('stay text where they are code: %s', (text) => {
    expect(convertPrompt(text)).toEqual({ prompt: text, parameters: [], warnings: [] });
  });

  test('have a default that begins after the first colon', () => {
    expect(convertPrompt('${ratio:16:9}').parameters[0]?.default_value).toBe('16:9');
  });

  test('keep the first of several defaults, with a warning', () => {
    const { parameters, warnings } = convertPrompt(
      '${tone} ${tone:calm} ${tone:wild} ${tone:wild} ${tone:shy}',
    );
    expect(parameters).toEqual([
      { name: 'tone', type: 'string', required: false, default_value: 'calm' },
    ]);
    expect(warnings).toEqual(['"tone" keeps its first default "calm", not "wild", "shy".']);
  });

  test('have a long text as their type where the default is one', () => {
    expect(convertPrompt(`\${a:${'word '.repeat(40)}}`).parameters[0]?.type).toBe('text');
  });

  test('warn where the text had such a placeholder before', () => {
    expect(convertPrompt('${url} and {{url}}').warnings).toHaveLength(1);
  });

  test('are all found again in what is stored', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.stringMatching(/^\$\{[\w .:({+]{0,12}\}$/),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join('');
        const { prompt, parameters } = convertPrompt(text);
        const stored = namesIn(prompt);
        return parameters.every(({ name }) => stored.includes(name));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a CSV file', () => {
  test('gives each row its line, its parameters and what is wrong with it', async () => {
    const rows = await readImport(sample);
    expect(rows.map(({ place, name, problem }) => [place.number, name, problem])).toEqual([
      [2, 'Street Photographer', null],
      [3, 'Letter Writer', null],
      [5, 'Script Explainer', null],
      [12, 'Собеседник', null],
      [13, 'Street Photographer', null],
      [14, 'Ratio Picker', null],
      [15, '', 'The row does not have as many fields as the first line.'],
      [16, 'Empty', 'The prompt is empty.'],
      [17, 'Quoted, with comma', null],
    ]);
    expect(rows[1]?.warnings).toEqual(['"tone" keeps its first default "friendly", not "formal".']);
    expect(rows[2]?.document).toMatchObject({
      name: 'Script Explainer',
      category: 'STRUCTURED',
      configuration: { metadata: { contributor: 'sample', for_devs: true } },
      parameters: [{ name: 'language', default_value: 'English' }, { name: 'points clés' }],
    });
    expect(rows[2]?.document?.system_prompt).toContain('${user.name}, ${items.length}');
  });

  test('gives duplicates keys of their own, the same each time', async () => {
    const keys = (rows: ImportRow[]) => rows.map(({ document }) => document?.external_key);
    const [first, again] = [keys(await readImport(sample)), keys(await readImport(sample))];
    expect(first).toEqual(again);
    expect(first[0]).not.toBe(first[4]);
    const moved = await readImport('contributor,type,for_devs,prompt,act\na,TEXT,FALSE,p,n\n');
    const straight = await readImport('act,prompt,for_devs,type,contributor\nn,p,FALSE,TEXT,a\n');
    expect(keys(moved)).toEqual(keys(straight));
  });

  test('may come with Windows line ends and a byte order mark', async () => {
    const rows = await readImport('\uFEFFact,prompt\r\nOne,"a\r\nb"\r\nTwo,c\r\n');
    expect(rows.map(({ place, name }) => [place.number, name])).toEqual([
      [2, 'One'],
      [4, 'Two'],
    ]);
  });

  test('is refused without the columns that make a prompt', async () => {
    await expect(readImport('title,text\na,b\n')).rejects.toMatchObject({
      code: 'file_unreadable',
    });
    await expect(readImport('')).rejects.toMatchObject({ code: 'file_unreadable' });
  });

  test('names a row that cannot be stored', async () => {
    const rows = await readImport('act,prompt\nZero,a\u0000b\nBackslash,a\\u0000b\n');
    expect(rows.map(({ document }) => document !== null)).toEqual([false, true]);
  });
});

describe('a JSON file', () => {
  test('holds one document or a list of them', async () => {
    const [one] = await readImport('{"name": "Writer", "system_prompt": "Write."}');
    expect(one).toMatchObject({
      place: { kind: 'item', number: 1 },
      name: 'Writer',
      problem: null,
    });
    const rows = await readImport('[{"name": "A", "external_key": "mine"}, 5]');
    expect(rows[0]?.document?.external_key).toBe('mine');
    expect(rows[1]?.problem).toBe('The item is not an object.');
  });

  test('is refused where it is not JSON', async () => {
    await expect(readImport('[{"name": ')).rejects.toMatchObject({ code: 'file_unreadable' });
  });
});

describe('sending', () => {
  const answer = (documents: object[]) =>
    documents.map((_, index) => ({
      ordinal: index + 1,
      agent_id: `agent ${index}`,
      outcome: 'created',
      code: null,
      message: null,
    }));

  test('goes in batches and reports in the order of the file', async () => {
    const csv = `act,prompt\n${Array.from({ length: 250 }, (_, n) => `Agent ${n},p\n`).join('')}`;
    const sizes: number[] = [];
    const results = await collect(
      importRows(await readImport(csv), async (documents) => {
        sizes.push(documents.length);
        return answer(documents).toReversed();
      }),
    );
    expect(sizes).toEqual([100, 100, 50]);
    expect(results.map(({ name }) => name)).toEqual(
      Array.from({ length: 250 }, (_, n) => `Agent ${n}`),
    );
  });

  test('keeps a batch within what one request carries', async () => {
    const csv = `act,prompt\n${Array.from({ length: 8 }, (_, n) => `Long ${n},${'p'.repeat(140_000)}\n`).join('')}`;
    const sizes: number[] = [];
    await collect(
      importRows(await readImport(csv), async (documents) => {
        sizes.push(documents.length);
        return answer(documents);
      }),
    );
    expect(sizes).toEqual([7, 1]);
  });

  test('reports rows of the file that were never sent', async () => {
    const results = await collect(
      importRows(await readImport(sample), async (documents) => answer(documents)),
    );
    expect(results.filter(({ outcome }) => outcome === 'refused')).toMatchObject([
      { place: { number: 15 }, code: 'row_unreadable' },
      { place: { number: 16 }, code: 'row_unreadable' },
    ]);
  });
});
