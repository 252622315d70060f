/** The rules about imports between parts. */
import ts from 'typescript';
import { isSpec, isTestOnly, partOf, type HouseRule, type Violation } from './rule.js';
import type { ModuleReference, SourceFile } from './source-file.js';

/** Which of our parts each part may import. Apps that are not listed may import every library except libs/testing. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'libs/contracts': [],
  'libs/config': [],
  'libs/observability': [],
  'libs/waiting': [],
  'libs/postgres': [],
  'libs/idempotent-consumer': ['libs/postgres'],
  'libs/broker': ['libs/contracts', 'libs/waiting', 'libs/idempotent-consumer'],
  'libs/store': ['libs/contracts', 'libs/postgres', 'libs/waiting', 'libs/idempotent-consumer'],
  'libs/local-cluster': ['libs/contracts', 'libs/postgres', 'libs/waiting'],
  // It shows what a service of its users is: the library, the contracts, and nothing of the aggregator's own store.
  'apps/accounts': [
    'libs/contracts',
    'libs/config',
    'libs/observability',
    'libs/postgres',
    'libs/broker',
    'libs/idempotent-consumer',
  ],
  // The judge shares nothing with what it judges.
  'apps/chaos': ['libs/contracts', 'libs/config'],
  // It runs in a browser, and takes types alone.
  'apps/dashboard': ['libs/contracts'],
  // Only tests load it, so it may import whatever it sets up for them.
  'libs/testing': [
    'libs/contracts',
    'libs/postgres',
    'libs/waiting',
    'libs/broker',
    'libs/store',
    'libs/local-cluster',
  ],
};

/** The folders that may use JetStream's API, apart from tests. */
const JETSTREAM_SPEAKERS = new Set([
  'libs/broker/',
  // An installed library needs nothing of the aggregator.
  'libs/idempotent-consumer/src/jetstream/',
  // The judge shares nothing with what it judges.
  'apps/chaos/',
  // The baselines are what anyone would write without us.
  'apps/bench/',
]);

/** Doors of the library for the programs of this repository alone. */
const INNER_DOORS = new Set([
  '#idempotent-consumer/jetstream',
  '#idempotent-consumer/parts',
  '#idempotent-consumer/postgres',
]);

/** Modules with which a program reaches beyond its own memory. A unit test needs none. */
const OUTSIDE_WORLD = new Set([
  'net',
  'tls',
  'dgram',
  'http',
  'https',
  'child_process',
  'cluster',
  'pg',
  'typeorm',
  'nats',
  '@nats-io/transport-node',
  '#local-cluster',
  '#testing',
]);

const layers: HouseRule = {
  name: 'imports go down only: libraries by their table, apps to libraries, no app to another app',
  remedy:
    'hand the thing in as an argument, or move it down to libs/contracts; a new library is entered in import-rules.ts',
  check: (files) =>
    eachReference(files, (file, reference) => {
      const [from, to] = [partOf(file.path), reference.target && partOf(reference.target)];
      if (from === undefined || to === undefined || from === to) return undefined;
      if (to.startsWith('apps/')) return `imports ${to}`;
      if (isSpec(file.path)) return undefined;
      // What the package does not export, its users do not have.
      if (from === 'apps/accounts' && INNER_DOORS.has(reference.specifier))
        return `imports ${reference.specifier}`;
      if (to === 'libs/testing')
        return isTestOnly(file.path) ? undefined : 'imports libs/testing outside a test';
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined && from.startsWith('apps/')) return undefined;
      return allowed?.includes(to) === true ? undefined : `imports ${to}`;
    }),
};

const oneDoor: HouseRule = {
  name: 'a library is entered by an index.ts from outside, and never from inside',
  remedy: 'from outside import "#name" or "#name/folder"; from inside import the file itself',
  check: (files) =>
    eachReference(files, (file, { specifier, target }) => {
      if (target === undefined) return undefined;
      const to = partOf(target);
      const inside = to !== undefined && to === partOf(file.path);
      if (inside && target.endsWith('/index.ts')) return `imports its own index.ts as ${specifier}`;
      if (!inside && to?.startsWith('libs/') === true && !specifier.startsWith('#'))
        return `reaches into ${target}`;
      return undefined;
    }),
};

const noCircle: HouseRule = {
  name: 'no file imports itself by way of others',
  remedy: 'move what both need into a file of its own, below them',
  check: (files) =>
    findCircles(files).map((circle) => ({
      path: circle[0] ?? '',
      found: [...circle, circle[0]].join(' → '),
    })),
};

const unitTestsStayInside: HouseRule = {
  name: 'a unit test opens no connection and starts no process',
  remedy: 'name it .int.spec.ts or .e2e.spec.ts, or test the logic without its surroundings',
  check: (files) =>
    eachReference(files, (file, { specifier, typeOnly }) =>
      file.path.endsWith('.unit.spec.ts') && !typeOnly && OUTSIDE_WORLD.has(specifier.replace(/^node:/, ''))
        ? `imports ${specifier}`
        : undefined,
    ),
};

const judgedStaysOutside: HouseRule = {
  name: 'what takes protections out stands in apps/*/judged, and nothing outside of it imports it',
  remedy: 'move what both need into src; start a wrong program by its path instead of importing it',
  check: (files) =>
    eachReference(files, (file, { target }) => {
      const folder = target === undefined ? undefined : /^apps\/[^/]+\/judged\//.exec(target)?.[0];
      return folder === undefined || file.path.startsWith(folder) ? undefined : `imports ${target ?? ''}`;
    }),
};

const jetStreamSpeakers: HouseRule = {
  name: `JetStream's API is spoken in ${[...JETSTREAM_SPEAKERS].join(', ')} and in tests, nowhere else`,
  remedy:
    'ask by StreamReader, or change by topology.ts of #broker; what they cannot say yet is added to libs/broker',
  check: (files) => [
    ...eachReference(files, (file, { specifier }) =>
      specifier === '@nats-io/jetstream' && !maySpeakJetStream(file.path)
        ? `imports ${specifier}`
        : undefined,
    ),
    ...files.flatMap((file) => {
      // The API itself, which libs/broker gives to tests under the prefix of the connection's account.
      const isTaken =
        !maySpeakJetStream(file.path) && importedNames(file, '#broker').includes('jetStreamApi');
      return isTaken ? [{ path: file.path, found: 'imports jetStreamApi' }] : [];
    }),
  ],
};

/** The rules about imports between parts. */
export const importRules = {
  layers,
  oneDoor,
  noCircle,
  unitTestsStayInside,
  judgedStaysOutside,
  jetStreamSpeakers,
};

function maySpeakJetStream(path: string): boolean {
  return isTestOnly(path) || [...JETSTREAM_SPEAKERS].some((folder) => path.startsWith(folder));
}

/** The names that a file imports from a module. */
function importedNames(file: SourceFile, specifier: string): string[] {
  return (file.syntax?.tree.statements ?? []).flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return [];
    const bindings = statement.importClause?.namedBindings;
    if (statement.moduleSpecifier.text !== specifier || !bindings || !ts.isNamedImports(bindings)) return [];
    return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
  });
}

function eachReference(
  files: readonly SourceFile[],
  judge: (file: SourceFile, reference: ModuleReference) => string | undefined,
): Violation[] {
  return files.flatMap((file) =>
    (file.syntax?.references ?? []).flatMap((reference) => {
      const found = judge(file, reference);
      return found === undefined ? [] : [{ path: file.path, line: reference.line, found }];
    }),
  );
}

/** Walks the imports depth first. A file that is met again on the way down closes a circle, which is reported once. */
function findCircles(files: readonly SourceFile[]): string[][] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const circles: string[][] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const met = way.indexOf(path);
    if (met >= 0) circles.push(way.slice(met));
    if (met >= 0 || done.has(path)) return;
    for (const { target } of byPath.get(path)?.syntax?.references ?? []) {
      if (target !== undefined) visit(target, [...way, path]);
    }
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return circles;
}
