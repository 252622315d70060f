/** The rules of the repository's pages, and how they are read. UPDATE_README=1 writes the table of layers. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { commandsOf, parseShell } from './documents/command.js';
import { brokenLinks, foreignWords, hiddenCommands, longSentences } from './documents/document-rules.js';
import { anchorsOf, codeBlocks, readDocuments, sentencesOf, type Document } from './documents/document.js';
import { MAY_IMPORT } from './house-rules/import-rules.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const ARCHITECTURE = join(ROOT, 'ARCHITECTURE.md');
const LAYERS = /<!-- layers -->\n([^]*?)<!-- \/layers -->/;

const page = (text: string, path = 'a/page.md'): Document => ({ path, text });
const parts = ['apps', 'libs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
);

function layers(): string {
  const rows = parts.map((part) => {
    const allowed = MAY_IMPORT[part];
    const words = allowed?.length === 0 ? 'nothing of ours' : allowed?.join(', ');
    return `| ${part} | ${words ?? 'every library except libs/testing'} |`;
  });
  return ['| part | may import |', '|---|---|', ...rows, ''].join('\n');
}

if (process.env['UPDATE_README'] === '1') {
  const text = readFileSync(ARCHITECTURE, 'utf8');
  writeFileSync(
    ARCHITECTURE,
    text.replace(LAYERS, () => `<!-- layers -->\n${layers()}<!-- /layers -->`),
  );
}

describe('the pages', () => {
  const documents = readDocuments(ROOT);

  it('are found', () => {
    const paths = documents.map(({ path }) => path);
    const expected = ['README.md', 'ARCHITECTURE.md', 'deploy/README.md', 'deploy/SETTINGS.md'];
    expect(paths).toEqual(expect.arrayContaining(expected));
    expect(paths.slice(0, 2)).toEqual(['ARCHITECTURE.md', 'README.md']);
  });

  it('have links that lead to files and headings', () => {
    expect(brokenLinks(documents, (path) => existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('have sentences that can be read once', () => {
    expect(longSentences(documents)).toEqual([]);
  });

  it('have the words of the field', () => {
    expect(foreignWords(documents)).toEqual([]);
  });

  it('have every command in a block that is run', () => {
    expect(hiddenCommands(documents)).toEqual([]);
  });

  it('are all reached from the README of the root', () => {
    const reached = new Set(['README.md']);
    for (const path of reached) {
      const text = documents.find((document) => document.path === path)?.text ?? '';
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g))
        reached.add(join(dirname(path), target));
    }
    expect(documents.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });
});

describe('the page of the architecture', () => {
  const text = readFileSync(ARCHITECTURE, 'utf8');

  it('has the layers that the house rules check', () => {
    expect(LAYERS.exec(text)?.[1]).toBe(layers());
    expect(Object.keys(MAY_IMPORT).filter((part) => !parts.includes(part))).toEqual([]);
  });

  it('says what each app and each library is for', () => {
    for (const part of parts)
      expect(text).toMatch(new RegExp(`^\\| \\[${part}\\]\\(\\S+\\) \\| .+ \\|$`, 'm'));
  });
});

describe('the README of the root', () => {
  const readme = readDocuments(ROOT).find(({ path }) => path === 'README.md') ?? page('');

  it('shows every app and every library in its picture, and no other', () => {
    const picture = codeBlocks(readme).find(({ language }) => language === '')?.text ?? '';
    expect([...new Set(picture.match(/\b(?:apps|libs)\/[a-z-]+/g))].sort()).toEqual([...parts].sort());
  });

  it('is for five minutes', () => {
    expect(readme.text.split('\n').length).toBeLessThanOrEqual(150);
  });
});

describe('the README of the library', () => {
  it('shows consumers that tests run', () => {
    const readme = readDocuments(ROOT).find(({ path }) => path === 'libs/idempotent-consumer/README.md');
    const shown = codeBlocks(readme ?? page('')).filter(({ language }) => language === 'ts');
    const tests = [
      'apps/worker/src/second-consumer.int.spec.ts',
      'libs/idempotent-consumer/src/nest/data-layers.int.spec.ts',
      'libs/idempotent-consumer/src/memory/test-consumer.unit.spec.ts',
      'libs/idempotent-consumer/src/own-inboxes.int.spec.ts',
      'libs/idempotent-consumer/src/core/create-consumer.int.spec.ts',
      'libs/idempotent-consumer/src/nest/order.int.spec.ts',
      'libs/idempotent-consumer/src/nest/publishing.int.spec.ts',
      'libs/idempotent-consumer/src/outbox/outbox-circle.int.spec.ts',
    ].map((path) => readFileSync(join(ROOT, path), 'utf8'));
    expect(shown.length).toBeGreaterThan(tests.length);
    for (const { text } of shown) expect(tests.join('\n')).toContain(text);
  });
});

describe('a rule of the pages', () => {
  const exists = (path: string): boolean => ['a/page.md', 'a/other.md', 'b.ts'].includes(path);
  const other = page('# One title\n\n## `code` & more\n', 'a/other.md');

  it.each([
    ['a file that is not there', '[x](none.md)'],
    ['a file above the root', '[x](../../b.ts)'],
    ['a heading that is not there', '[x](#two)'],
    ['a heading of another page', '[x](other.md#one)'],
    ['a heading of what has none', '[x](../b.ts#one)'],
    ['a picture', '![x](none.svg)'],
    ['a link whose text is code', '[`x`](none.md)'],
    ['a link in a table', '| a | [x](none.md) |'],
  ])('finds %s', (_what, text) => {
    expect(brokenLinks([page(`# One\n${text}`), other], exists)).toMatchObject([
      { path: 'a/page.md', line: 2 },
    ]);
  });

  it.each([
    '[x](other.md#one-title)',
    '[x](other.md#code--more)',
    '[x](#one)',
    '[x](../b.ts)',
    '[x](https://a.b/c)',
  ])('lets %s pass', (text) => {
    expect(brokenLinks([page(`# One\n${text}`), other], exists)).toEqual([]);
  });

  it('leaves links in code alone', () => {
    expect(brokenLinks([page('```ts\n[x](none.md)\n```\n`[x](none.md)`')], exists)).toEqual([]);
  });

  it('finds a sentence that is too long, in prose, lists and tables', () => {
    const words = (count: number): string => Array.from({ length: count }, () => 'word').join(' ');
    const long = [`${words(26)}.`, `Short. ${words(26)}.`, `- ${words(26)}`, `| a | ${words(26)} |`];
    for (const text of long) expect(longSentences([page(`\n${text}\n`)])).toMatchObject([{ line: 2 }]);
    const short = [
      `${words(25)}. ${words(25)}.`,
      `# ${words(26)}`,
      `\`${words(26)}\``,
      `\`\`\`sh\n${words(26)}\n\`\`\``,
    ];
    for (const text of short) expect(longSentences([page(`\n${text}\n`)])).toEqual([]);
    const generated = page(`<!-- table -->\n${words(26)}\n<!-- /table -->`);
    expect(longSentences([generated])).toEqual([]);
  });

  it('finds a word that has a better one', () => {
    expect(foreignWords([page('The table is made anew.')])).toMatchObject([{ line: 1 }]);
    expect(foreignWords([page('The parameter is `anew`.')])).toEqual([]);
  });
});

describe('a block of code', () => {
  it.each([
    ['bash', 'npm start'],
    ['', 'npm start'],
    ['', '$ curl x'],
    ['js', '  docker compose up'],
    ['yaml', 'a: b'],
  ])('of language "%s" may not be %j', (language, text) => {
    expect(hiddenCommands([page(`\n\`\`\`${language}\n${text}\n\`\`\`\n`)])).toMatchObject([{ line: 3 }]);
  });

  it.each([
    ['sh', 'npm start'],
    ['console', '$ npm start'],
    ['', 'producers ── HTTP'],
    ['json', '{}'],
  ])('of language "%s" may be %j', (language, text) => {
    expect(hiddenCommands([page(`\`\`\`${language}\n${text}\n\`\`\`\n`)])).toEqual([]);
  });
});

describe('a page', () => {
  it('gives the anchors of its headings, one for each', () => {
    const text = '# A (b), c\n## A b c\n## Same\n## Same\n```sh\n# no heading\n```\n';
    expect([...anchorsOf(page(text))]).toEqual(['a-b-c', 'a-b-c-1', 'same', 'same-1']);
  });

  it('gives its sentences with their lines', () => {
    const text =
      '# Title\nOne *two*. Three [four](five).\n- Six `seven eight`.\n\n| a | b |\n|---|---|\n| c. d | e |';
    expect(sentencesOf(page(text))).toEqual([
      { line: 2, text: 'One two.' },
      { line: 2, text: 'Three four.' },
      { line: 3, text: 'Six code.' },
      { line: 5, text: 'a' },
      { line: 5, text: 'b' },
      { line: 7, text: 'c.' },
      { line: 7, text: 'd' },
      { line: 7, text: 'e' },
    ]);
  });

  it('gives every command, of a block, of a session and of its prose', () => {
    const text = [
      '```sh',
      'npm run secrets   # once: a # b',
      "A=1 B='x y' curl -d '{",
      '  "a": 1 }\' x && git pull',
      '```',
      '```console',
      '$ npm start',
      'ready 1',
      '',
      "$ curl -d 'a",
      "b' x",
      '```',
      'Run `npm test -- a` or `sekali up`, not `SEKALI_X` nor `docker`.',
      '```ts',
      'npm.x();',
      '```',
      '',
    ].join('\n');
    expect(
      commandsOf(page(text)).map(({ words, environment, output }) => [words, environment, output]),
    ).toEqual([
      [['npm', 'run', 'secrets'], {}, []],
      [['curl', '-d', '{\n  "a": 1 }', 'x'], { A: '1', B: 'x y' }, []],
      [['git', 'pull'], {}, []],
      [['npm', 'start'], {}, ['ready 1']],
      [['curl', '-d', 'a\nb', 'x'], {}, []],
      [['npm', 'test', '--', 'a'], {}, []],
      [['sekali', 'up'], {}, []],
    ]);
  });

  it.each([
    ['a b', [['a', 'b']], false],
    ['a \\\n b', [['a', 'b']], false],
    ['a "b \\" c"d', [['a', 'b " cd']], false],
    ["a 'b'\\''c'", [['a', "b'c"]], false],
    ['a | b; c', [['a'], ['b'], ['c']], false],
    ["a 'b", [['a', "'b"]], true],
    ['a \\', [['a', '\\']], true],
    ['a x=1#2', [['a', 'x=1#2']], false],
  ])('reads %j as a shell does', (text, commands, isOpen) => {
    expect(parseShell(text)).toEqual({ commands, isOpen });
  });
});
