import { describe, expect, it } from '@jest/globals';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importRules } from './house-rules/import-rules.js';
import { report, type HouseRule } from './house-rules/rule.js';
import { parseSource, readTree } from './house-rules/source-file.js';
import { textRules } from './house-rules/text-rules.js';
import { FOLDERS, LEFT_OUT, wordRules } from './house-rules/word-rules.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const rules = { ...importRules, ...textRules, ...wordRules };

/** Files as `{ path: text }`. */
type Files = Readonly<Record<string, string>>;

interface Example {
  readonly what: string;
  readonly files: Files;
}

const one = (what: string, path: string, text: string): Example => ({ what, files: { [path]: text } });
const code = (lines: number): string =>
  Array.from({ length: lines }, (_, n) => `export const n${n} = 0;`).join('\n');

/** For each rule: small trees that break it, and small trees that only seem to. */
const EXAMPLES: Readonly<Record<keyof typeof rules, { bad: readonly Example[]; good: readonly Example[] }>> =
  {
    layers: {
      bad: [
        one('contracts import broker', 'libs/contracts/src/a.ts', `import { b } from '#broker';`),
        one('store imports config', 'libs/store/src/a.ts', `import { b } from '#config';`),
        one(
          'a type is an import too',
          'libs/idempotent-consumer/src/a.ts',
          `import type { B } from '#contracts';`,
        ),
        one(
          'a library imports an app',
          'libs/store/src/a.ts',
          `import { b } from '../../../apps/worker/src/b.js';`,
        ),
        one('an app imports another', 'apps/cli/src/a.ts', `import { b } from '../../gateway/src/b.js';`),
        one(
          'a test imports another app',
          'apps/cli/src/a.e2e.spec.ts',
          `await import('../../gateway/src/b.js');`,
        ),
        one('an app imports libs/testing', 'apps/cli/src/a.ts', `import { waitFor } from '#testing';`),
        one('the judge imports what it judges', 'apps/chaos/src/a.ts', `import { b } from '#store';`),
        one('the accounts import the store', 'apps/accounts/src/a.ts', `import { b } from '#store';`),
        one(
          'the accounts import what the package does not give',
          'apps/accounts/src/a.ts',
          `import { b } from '#idempotent-consumer/postgres';`,
        ),
        one('a library without a place in the table', 'libs/new/src/a.ts', `export { b } from '#contracts';`),
      ],
      good: [
        one('broker imports contracts', 'libs/broker/src/a.ts', `import { b } from '#contracts';`),
        one(
          'broker imports the library',
          'libs/broker/src/a.ts',
          `import { b } from '#idempotent-consumer/jetstream';`,
        ),
        one(
          'an adapter inside the library',
          'libs/idempotent-consumer/src/nest/a.ts',
          `import { b } from '../b.js';`,
        ),
        one(
          'an app imports libraries',
          'apps/cli/src/a.ts',
          `import { b } from '#store'; import pg from 'pg';`,
        ),
        one(
          'the accounts import the library',
          'apps/accounts/src/a.ts',
          `import { b } from '#idempotent-consumer';`,
        ),
        one('the judge imports the contracts', 'apps/chaos/src/a.ts', `import { b } from '#contracts';`),
        one('a test imports what it needs', 'libs/store/src/a.int.spec.ts', `import { b } from '#testing';`),
      ],
    },
    oneDoor: {
      bad: [
        one('past the door', 'apps/cli/src/a.ts', `import { b } from '../../../libs/store/src/b.js';`),
        one('own index.ts', 'libs/store/src/a.ts', `import { b } from './index.js';`),
        one('own index.ts by name', 'libs/store/src/sub/a.ts', `import { b } from '#store';`),
        one('own second door', 'libs/store/src/a.ts', `import { b } from '#store/sub';`),
      ],
      good: [
        one('through the door', 'apps/cli/src/a.ts', `import { b } from '#store';`),
        one('through its second door', 'apps/cli/src/a.ts', `import { b } from '#store/sub';`),
        one('the file itself', 'libs/store/src/a.ts', `import { b } from './b.js';`),
      ],
    },
    noCircle: {
      bad: [
        one('a file that imports itself', 'libs/store/src/a.ts', `import { a } from './a.js';`),
        {
          what: 'a circle of three, one of them for its types',
          files: {
            'libs/store/src/a.ts': `import { b } from './b.js';`,
            'libs/store/src/b.ts': `import type { C } from './sub/c.js';`,
            'libs/store/src/sub/c.ts': `export { a } from '../a.js';`,
          },
        },
      ],
      good: [
        {
          what: 'two ways down to one file',
          files: {
            'libs/store/src/a.ts': `import './b.js'; import './c.js';`,
            'libs/store/src/b.ts': `import './c.js';`,
            'libs/store/src/c.ts': '',
          },
        },
      ],
    },
    unitTestsStayInside: {
      bad: ['pg', 'nats', 'node:net', 'node:child_process', '#local-cluster', '@nats-io/transport-node'].map(
        (name) => one(name, 'libs/store/src/a.unit.spec.ts', `import x from '${name}';`),
      ),
      good: [
        one(
          'a type',
          'libs/store/src/a.unit.spec.ts',
          `import type pg from 'pg'; import { type B } from 'pg';`,
        ),
        one('another tier', 'libs/store/src/a.int.spec.ts', `import pg from 'pg';`),
      ],
    },
    judgedStaysOutside: {
      bad: [
        one('a program', 'apps/worker/src/main.ts', `import { a } from '../judged/sabotage.js';`),
        one('a test in src', 'apps/worker/src/a.int.spec.ts', `await import('../judged/sabotage.js');`),
        one('only a type', 'apps/worker/src/sub/a.ts', `import type { A } from '../../judged/sabotage.js';`),
      ],
      good: [
        one('from within', 'apps/worker/judged/a.ts', `import { b } from './b.js'; import '../src/c.js';`),
        one('another folder of the name', 'libs/store/src/a.ts', `import { b } from './judged/b.js';`),
      ],
    },
    jetStreamSpeakers: {
      bad: [
        one('an app', 'apps/gateway/src/a.ts', `import { jetstream } from '@nats-io/jetstream';`),
        one('only a type', 'apps/cli/src/a.ts', `import type { StreamInfo } from '@nats-io/jetstream';`),
        one('the engine', 'libs/idempotent-consumer/src/a.ts', `await import('@nats-io/jetstream');`),
        one('by way of libs/broker', 'apps/setup/src/a.ts', `import { jetStreamApi as api } from '#broker';`),
      ],
      good: [
        one('libs/broker', 'libs/broker/src/a.ts', `import { jetstream } from '@nats-io/jetstream';`),
        one('the judge', 'apps/chaos/src/sub/a.ts', `import { jetstream } from '@nats-io/jetstream';`),
        one('a test', 'apps/cli/src/a.int.spec.ts', `import { jetStreamApi } from '#broker';`),
        one('the reader', 'apps/cli/src/a.ts', `import { StreamReader } from '#broker';`),
      ],
    },
    length: {
      bad: [
        one('301 lines', 'libs/store/src/a.ts', code(301)),
        one('601', 'libs/store/src/a.int.spec.ts', code(601)),
      ],
      good: [
        one('300 lines', 'libs/store/src/a.ts', code(300)),
        one(
          'comments',
          'libs/store/src/a.ts',
          `${code(300)}\n\n/**\n * x\n */\nexport {};\n`.replace('export {};\n', ''),
        ),
        one('comments before code', 'libs/store/src/a.ts', `// x\n/** x\n * @param y z\n */\n${code(300)}`),
        one('600 lines of test', 'libs/store/src/a.int.spec.ts', code(600)),
      ],
    },
    environment: {
      bad: [
        one('process.env', 'libs/store/src/a.ts', `export const a = process.env['A'];`),
        one('in brackets', 'apps/cli/src/a.ts', `export const a = process['env'];`),
        one('imported', 'apps/cli/src/a.ts', `import { env as e } from 'node:process';`),
      ],
      good: [
        one('libs/config', 'libs/config/src/a.ts', `export const a = process.env;`),
        one('a test', 'apps/cli/src/a.e2e.spec.ts', `export const a = process.env;`),
        one(
          'a comment, a string and another env',
          'apps/cli/src/a.ts',
          `/* process.env */ export const a = ['process.env', my.process.env];`,
        ),
      ],
    },
    namedExports: {
      bad: [
        one('export *', 'libs/store/src/index.ts', `export * from './a.js';`),
        one('as a namespace', 'libs/store/src/index.ts', `export * as a from './a.js';`),
      ],
      good: [one('named', 'libs/store/src/index.ts', `export { a, type B } from './a.js';`)],
    },
    everyTestRuns: {
      bad: [
        'it.skip("a")',
        'describe.only("a")',
        'it.todo("a")',
        'test.each([1]).skip("a")',
        'it.skip.each([1])("a")',
        'xit("a")',
      ].map((text) => one(text, 'libs/store/src/a.unit.spec.ts', `${text};`)),
      good: [
        one(
          'other things of these names',
          'libs/store/src/a.unit.spec.ts',
          `it("a", () => rows.skip(1)); options.only;`,
        ),
      ],
    },
    noSleep: {
      bad: [
        'await sleep(500)',
        'await delay(1_000)',
        'await sleep(PAUSE_MS)',
        'await new Promise((resolve) => setTimeout(resolve, 500))',
        `import { setTimeout as rest } from 'node:timers/promises'; await rest(5)`,
      ].map((text) => one(text, 'libs/store/src/a.int.spec.ts', `${text};`)),
      good: [
        one('a deadline', 'libs/store/src/a.int.spec.ts', `setTimeout(() => controller.abort(), 500);`),
        one('outside tests', 'libs/store/src/a.ts', `await sleep(500);`),
      ],
    },
    onePlaceToWait: {
      bad: [
        `import { setTimeout as rest } from 'node:timers/promises'`,
        `import { setTimeout } from 'timers/promises'`,
        'await new Promise((resolve) => setTimeout(resolve, 500))',
        'await new Promise((done) => { const timer = setTimeout(done, ms); })',
      ].map((text) => one(text, 'libs/store/src/a.ts', `${text};`)),
      good: [
        one(
          'a timer that does something',
          'libs/store/src/a.ts',
          `setTimeout(() => controller.abort(), 500);`,
        ),
        one(
          'what ends a turn',
          'libs/store/src/a.ts',
          `import { setImmediate } from 'node:timers/promises';`,
        ),
        one('a bound of a socket', 'libs/store/src/a.ts', `socket.setTimeout(ms, close);`),
        one('the place itself', 'libs/waiting/src/a.ts', `const timer = setTimeout(done, ms);`),
      ],
    },
    testNames: {
      bad: [
        'a.spec.ts',
        'a.test.ts',
        'a.unit.spec.js',
        '__tests__/a.unit.spec.ts',
        'a.integration.spec.ts',
        'a.slow.spec.ts',
        'a.slow.unit.spec.ts',
        'a.int.slow.spec.ts',
      ].map((name) => one(name, `libs/store/src/${name}`, '')),
      good: [
        'a.unit.spec.ts',
        'a-b.int.spec.ts',
        'a.e2e.spec.ts',
        'a.slow.int.spec.ts',
        'a.slow.e2e.spec.ts',
        'specification.ts',
      ].map((name) => one(name, `libs/store/src/${name}`, '')),
    },
    fileNames: {
      bad: [
        'utils.ts',
        'string-util.ts',
        'helpers/a.ts',
        'stream-manager.ts',
        'base.ts',
        'common.unit.spec.ts',
      ].map((name) => one(name, `libs/store/src/${name}`, '')),
      good: ['database.ts', 'commonality.ts', 'miscount.ts'].map((name) =>
        one(name, `libs/store/src/${name}`, ''),
      ),
    },
    sqlState: {
      bad: ['23505', '40P01', '3D000', 'XX000'].map((name) =>
        one(name, 'libs/store/src/a.ts', `export const isIt = error.code === '${name}';`),
      ),
      good: [
        one('libs/postgres', 'libs/postgres/src/a.ts', `const code = '23505';`),
        one('a test', 'libs/store/src/a.int.spec.ts', `const code = '23505';`),
        one('other texts', 'libs/store/src/a.ts', `const texts = ['EPIPE', '50000', 'at 23505', '8080'];`),
      ],
    },
    fieldWords: {
      bad: [
        ...[
          'The stream of the former making ends here.',
          'A row belongs to one era.',
          'It is made anew.',
          'The caller is told.',
          'It stands beside the others.',
          'It waits for so long.',
          'Whoever asks gets it.',
          'Nobody answers.',
          'A message that bears the id.',
          'It has not the form of a token.',
          'One lost answer is no sign.',
          'Ids that are at work.',
          'A job that has company.',
          'Batches are wanted.',
          'The caution of a claim.',
          'The sight of the stream.',
          'Two looks saw the same.',
          'It looks at the stream.',
          'The waiting line is full.',
          'The intake of a batch.',
          'The inbox prefix of a user.',
          'See the head of this file.',
        ].flatMap((text) => [
          one(`in a comment: ${text}`, 'libs/broker/src/a.ts', `/** ${text} */\nexport const a = 1;`),
          one(`in a page: ${text}`, 'deploy/README.md', `# Title\n\n${text}\n`),
        ]),
        one('in a file of the root', 'jest.config.mjs', '// Nobody answers.'),
        one('in a folder of its own', 'apps/new/src/a.ts', '// Nobody answers.'),
        one(
          'in a comment of a migration',
          'libs/store/src/migrations/1-a.ts',
          '/** It is made anew. */\nconst UP = `SELECT`;',
        ),
        one('over two lines of a comment', 'libs/broker/src/a.ts', '/**\n * It waits for so\n * long.\n */'),
        one('over two lines of a script', 'deploy/a.sh', '# They are at\n# work.'),
        one('in a message', 'libs/broker/src/a.ts', `throw new Error('nobody answers');`),
        ...[
          'waitingLine',
          'WAITING_LINE',
          'withinMs',
          'AVAILABLE_WITHIN_MS',
          'isWanted',
          'hasCompany',
          'connectAnew',
          'lookFor',
          'tellErrors',
          'toldAt',
          'PublishTogether',
          'making',
        ].map((name) => one(`the name ${name}`, 'libs/broker/src/a.ts', `export const ${name} = 1;`)),
        ...['publish-together.ts', 'waiting-line.unit.spec.ts', 'intake.ts'].map((name) =>
          one(`the file ${name}`, `libs/broker/src/${name}`, ''),
        ),
      ],
      good: [
        one(
          'the words of the field',
          'libs/broker/src/a.ts',
          '/** The queue is inspected again. There is no room, and it is no longer asked. */\nconst timeoutMs = 1;',
        ),
        one('within in prose', 'libs/broker/src/a.ts', '// An answer comes within a second.'),
        one(
          'the name of an option',
          'libs/broker/src/a.ts',
          'const options = { inboxPrefix, isNoResponders };',
        ),
        one('the system user', 'libs/local-cluster/src/a.ts', '// It runs as `nobody`.'),
        one('a verb', 'libs/broker/src/a.ts', '// Making a copy would cost more, so look it up.'),
        one('a folder of a tool', 'reports/a.md', 'Nobody answers.'),
        one('the generated schema', 'libs/store/schema.sql', '-- Each making of a stream.'),
        one(
          'the SQL of a migration',
          'libs/store/src/migrations/1-a.ts',
          "const UP = `COMMENT ON TABLE ${name} IS 'Each making of a stream'`;",
        ),
      ],
    },
    noPlaces: {
      bad: [
        one('a path of one machine', 'README.md', ['cd ', 'work', 'main'].join('/')),
        one(
          'a package host',
          'package-lock.json',
          `"resolved": "https://${['registry', 'example', 'org'].join('.')}/x.tgz"`,
        ),
      ],
      good: [
        one('words', 'README.md', 'See stream-registry.ts, registry.get(name), apps/work/ and /var/lib.'),
      ],
    },
  };

const parse = (files: Files): ReturnType<typeof parseSource>[] =>
  Object.entries(files).map(([path, text]) => parseSource(path, text));

describe('a house rule', () => {
  const cases = Object.entries(rules).flatMap(([key, rule]: [string, HouseRule]) => {
    const { bad, good } = EXAMPLES[key as keyof typeof rules];
    return [
      ...bad.map(({ what, files }) => ({ key, rule, what, files, verdict: 'finds' })),
      ...good.map(({ what, files }) => ({ key, rule, what, files, verdict: 'lets pass' })),
    ];
  });

  it.each(cases)('$key $verdict: $what', ({ rule, files, verdict }) => {
    expect(rule.check(parse(files)).length > 0).toBe(verdict === 'finds');
  });

  it('says where it is broken and what to do', () => {
    const files = parse({ 'libs/store/src/index.ts': `\nexport * from './a.js';` });
    const text = report(rules.namedExports, rules.namedExports.check(files));
    expect(text).toContain('libs/store/src/index.ts:2  export *');
    expect(text).toContain('Remedy: write export { a, b } from instead of export *.');
  });
});

describe('in this repository', () => {
  const tree = readTree(ROOT);

  it.each([...FOLDERS, ...LEFT_OUT])('the path %s of the rule about words exists', (start) => {
    expect(tree.some(({ path }) => path.startsWith(start))).toBe(true);
  });

  it('the rules see the files', () => {
    const paths = tree.map((file) => file.path);
    expect(paths).toEqual(
      expect.arrayContaining(['package.json', 'libs/testing/src/house-rules.unit.spec.ts']),
    );
  });

  it.each(Object.values(rules))('$name', (rule: HouseRule) => {
    expect(report(rule, rule.check(tree))).toBe('');
  });
});
