/**
 * The names that the package of the library gives to its users, door by door. A change here is a change of
 * its version.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { parseSource, readTree, type SourceFile } from './house-rules/source-file.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const SOURCE = 'libs/idempotent-consumer/src';

/** What both a service of Nest and one without have. */
const VALUES = [
  ...['BatchContext', 'ConsumerFigures', 'InboxContext', 'OptionsError', 'Poison', 'RetryLater'],
  ...['connectionsNeeded', 'createInbox', 'heldKeys', 'ownInboxes', 'releaseKey', 'traceOf', 'typeOrm'],
];
const TYPES = [
  ...['ConsumerBounds', 'ConsumerCounts', 'ConsumerEvent', 'ConsumerHealth', 'DataLayer', 'Decoder'],
  ...['Delivery', 'Message', 'Observer', 'Outcome', 'OwnInboxes', 'OwnInboxesOptions', 'TraceContext'],
  ...['HeldKey', 'KeyFigures', 'KeyLog', 'OnDeadLetter', 'OrderKey', 'Transaction'],
];

/** By the name that `exports` of the package has for a door. */
const DOORS = {
  '.': {
    values: [...VALUES, 'ErrorPassage', 'OncePerEvent', 'PullConsumerStrategy'],
    types: [...TYPES, 'OncePerEventOptions', 'PullConsumerOptions'],
  },
  './core': {
    values: [...VALUES, 'createConsumer'],
    types: [...TYPES, 'ConsumerOptions', 'EventConsumer'],
  },
  './producer': {
    values: [
      ...[
        'EventPublisher',
        'HttpEventPublisher',
        'InvalidEventError',
        'Outbox',
        'OutboxBusyError',
        'OutboxNameError',
        'OutboxRelay',
      ],
      'StreamEventPublisher',
    ],
    types: [
      ...['EventFormOptions', 'EventOutcome', 'HttpEventPublisherOptions', 'NewEvent', 'NotTakenReason'],
      ...['OutboxDeadLetter', 'OutboxEvent', 'OutboxOptions', 'OutboxRelayOptions', 'OutboxTransaction'],
      ...[
        'PayloadSchema',
        'RelayEvent',
        'RelayHealth',
        'StreamEventPublisherOptions',
        'Topics',
        'WrittenEvent',
      ],
    ],
  },
  './testing': {
    values: ['MemoryEventPublisher', 'TestConsumer'],
    types: [
      ...['MemoryEventPublisherOptions', 'PublishedEvent'],
      ...['Answer', 'Effect', 'EventEffect', 'TestConsumerOptions', 'TestEvent', 'TestHandler'],
      'TestStatement',
    ],
  },
} as const;
const NAMES = Object.keys(DOORS) as (keyof typeof DOORS)[];

let files: ReadonlyMap<string, SourceFile>;

beforeAll(() => {
  const tree = readTree(ROOT, (path) => /^libs\/[a-z-]+\/src\/.*\.ts$/.test(path));
  files = new Map(tree.map((file) => [file.path, file]));
});

function fileOf(door: string): string {
  return `${SOURCE}/${door === '.' ? '' : `${door.slice(2)}/`}index.ts`;
}

/** The names of one door, sorted. */
function namesOf(door: string): { values: string[]; types: string[] } {
  const names = { values: [] as string[], types: [] as string[] };
  for (const statement of files.get(fileOf(door))?.syntax?.tree.statements ?? []) {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause) continue;
    if (!ts.isNamedExports(statement.exportClause)) continue;
    for (const { name, isTypeOnly } of statement.exportClause.elements)
      (statement.isTypeOnly || isTypeOnly ? names.types : names.values).push(name.text);
  }
  return { values: names.values.sort(), types: names.types.sort() };
}

/** The packages that are loaded, or that types come from, when a file is imported. */
function packagesOf(path: string, withTypes: boolean, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(path)) return packages;
  seen.add(path);
  for (const { specifier, target, typeOnly } of files.get(path)?.syntax?.references ?? []) {
    if (typeOnly && !withTypes) continue;
    if (target === undefined) packages.add(specifier);
    else for (const found of packagesOf(target, withTypes, seen)) packages.add(found);
  }
  return packages;
}

function ofNest(packages: ReadonlySet<string>): string[] {
  return [...packages].filter((name) => /^(?:@nestjs\/|rxjs|reflect-metadata)/.test(name));
}

describe('the package of the library', () => {
  it('has these doors and no other', () => {
    const text = readFileSync(join(ROOT, 'libs/idempotent-consumer/package.json'), 'utf8');
    const { exports } = JSON.parse(text) as { exports: Record<string, unknown> };
    expect(Object.keys(exports)).toEqual([...NAMES, './package.json']);
    for (const door of NAMES) {
      const built = fileOf(door)
        .replace(/^libs\//, './dist/')
        .replace(/ts$/, '');
      expect(exports[door]).toEqual({ types: `${built}d.ts`, default: `${built}js` });
    }
  });

  it.each(NAMES)('gives by its door %s the names that its users rely on, and no more', (door) => {
    const { values, types } = DOORS[door];
    expect(namesOf(door)).toEqual({ values: [...values].sort(), types: [...types].sort() });
  });

  it.each([
    ['./core', 'pg'],
    ['./producer', '@nats-io/nats-core'],
    ['./testing', 'pg'],
  ])('loads nothing of Nest by its door %s, not even for its types', (door, expected) => {
    const packages = packagesOf(fileOf(door), true);
    // What the walk finds says that it walked.
    expect([...packages]).toContain(expected);
    expect(ofNest(packages)).toEqual([]);
  });

  it.each([
    ['jetstream', ['@nats-io/jetstream', '@nats-io/nats-core']],
    ['postgres', ['pg']],
  ])('loads by its inner door %s what the programs that use it load already', (door, expected) => {
    const packages = packagesOf(`${SOURCE}/${door}/index.ts`, false);
    const found = [...packages].filter((name) => /^@nats-io\/|^@nestjs\/|^rxjs|^pg$/.test(name));
    expect(found).toEqual(expected);
  });

  it('needs Nest in its folder nest alone', () => {
    const users = [...files.values()]
      .filter(({ path }) => path.startsWith(`${SOURCE}/`) && !/\.spec\.ts$|\/test\//.test(path))
      .filter(
        ({ syntax }) => ofNest(new Set(syntax?.references.map(({ specifier }) => specifier))).length > 0,
      )
      .map(({ path }) => path.slice(SOURCE.length));
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((path) => !path.startsWith('/nest/'))).toEqual([]);
  });

  it('loads Nest by its first door, so that the walk above would have found it', () => {
    expect(ofNest(packagesOf(fileOf('.'), false))).toContain('@nestjs/microservices');
  });

  it('documents every public name where it is declared', () => {
    const undocumented = NAMES.flatMap((door) => undocumentedOf(door));
    expect(undocumented).toEqual([]);
  });
});

/** Exports of a door whose declaration has no comment of its own: an editor would show nothing. */
function undocumentedOf(door: string): string[] {
  const found: string[] = [];
  for (const { specifier } of files.get(fileOf(door))?.syntax?.references ?? []) {
    const path = join(dirname(fileOf(door)), specifier).replace(/js$/, 'ts');
    const { values, types } = DOORS[door as keyof typeof DOORS];
    const names = new Set<string>([...values, ...types]);
    const file = files.get(path) ?? parseSource(path, '');
    for (const statement of file.syntax?.tree.statements ?? []) {
      const name = nameOf(statement);
      if (name === undefined || !names.has(name)) continue;
      const [comment] = ts.getJSDocCommentsAndTags(statement);
      const text = comment?.getText() ?? '';
      if (text.length < 20) found.push(`${path}: ${name}`);
    }
  }
  return found;
}

function nameOf(statement: ts.Statement): string | undefined {
  if (
    ts.isClassDeclaration(statement) ||
    ts.isFunctionDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement)
  )
    return statement.name?.text;
  return undefined;
}
