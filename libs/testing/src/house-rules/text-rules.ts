/** The rules about names, sizes and the content of a file. */
import ts from 'typescript';
import { isSpec, isTestOnly, type HouseRule, type Violation } from './rule.js';
import { lineOf, walk, type SourceFile } from './source-file.js';

const FILE_LINES_MAX = 300;
const SPEC_LINES_MAX = 600;
const SLEEP_NAMES = ['sleep', 'delay', 'pause', 'wait'];

const length: HouseRule = {
  name: `a file has at most ${FILE_LINES_MAX} lines of code, a test ${SPEC_LINES_MAX}`,
  remedy: 'find the second noun in it and give that a file of its own',
  check: (files) =>
    files.flatMap(({ path, syntax }) => {
      const max = isSpec(path) ? SPEC_LINES_MAX : FILE_LINES_MAX;
      const lines = syntax?.codeLines ?? 0;
      return lines > max ? [{ path, found: `${lines} lines of code` }] : [];
    }),
};

const environment: HouseRule = {
  name: 'the environment is read in libs/config and nowhere else',
  remedy: 'declare the setting in libs/config and take it as an argument',
  // Tests and libs/testing build environments for the processes they start. apps/*/bin is plain JavaScript, which
  // runs before anything is built, and is not parsed here.
  check: (files) =>
    eachNode(files, (node, { path }) => {
      if (path.startsWith('libs/config/') || isTestOnly(path)) return undefined;
      const access = ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
      if (access && /^process\s*\??\.?\s*(?:env|\[\s*['"]env['"]\s*\])$/.test(node.getText()))
        return 'reads process.env';
      return isImportOfEnvironment(node) ? 'imports env from process' : undefined;
    }),
};

const namedExports: HouseRule = {
  name: 'what a library gives is named, one by one',
  remedy: 'write export { a, b } from instead of export *',
  check: (files) =>
    eachNode(files, (node) =>
      ts.isExportDeclaration(node) &&
      (node.exportClause === undefined || ts.isNamespaceExport(node.exportClause))
        ? 'export *'
        : undefined,
    ),
};

const everyTestRuns: HouseRule = {
  name: 'every test runs',
  remedy: 'mend the test or delete it',
  check: (files) =>
    eachNode(files, (node, { path }) => {
      if (!isSpec(path)) return undefined;
      if (ts.isIdentifier(node) && /^(?:xit|fit|xtest|xdescribe|fdescribe)$/.test(node.text))
        return node.text;
      if (!ts.isPropertyAccessExpression(node)) return undefined;
      const marked = /^(?:it|test|describe)\b.*\.(?:skip|only|todo|failing)$/s.test(node.getText());
      return marked ? node.getText().slice(0, 60) : undefined;
    }),
};

const noSleep: HouseRule = {
  name: 'a test waits for an event with a deadline, never for time',
  remedy: 'use waitFor(condition, { timeoutMs, describe }) of #testing',
  check: (files) =>
    files
      .filter((file) => isSpec(file.path))
      .flatMap((file) => {
        const sleepers = new Set([...SLEEP_NAMES, ...namesOfTimer(file)]);
        return eachNode([file], (node) =>
          isSleep(node, sleepers) ? node.getText().slice(0, 60) : undefined,
        );
      }),
};

/** Folders with their own waiting: an installed library carries little, and the judge shares nothing. */
const OWN_WAITING = /^(?:libs\/waiting|libs\/idempotent-consumer|apps\/chaos)\//;

const onePlaceToWait: HouseRule = {
  name: 'programs wait for time by libs/waiting and nothing else',
  remedy: 'use pause, poll, retry, withTimeout or valueOrTimeout of #waiting',
  check: (files) =>
    files
      .filter(({ path }) => !OWN_WAITING.test(path) && !isTestOnly(path))
      .flatMap((file) =>
        eachNode([file], (node) => {
          if (ts.isImportSpecifier(node) && isTimer(node)) return 'imports setTimeout of timers/promises';
          if (!ts.isCallExpression(node) || node.expression.getText() !== 'setTimeout') return undefined;
          // A function literal does more than end a wait.
          return node.arguments[0] && ts.isIdentifier(node.arguments[0]) ? node.getText() : undefined;
        }),
      ),
};

const testNames: HouseRule = {
  name: 'the name of a test file shows its tier',
  remedy:
    'end it in .unit.spec.ts (no I/O), .int.spec.ts (real brokers and Postgres) or .e2e.spec.ts (processes); ' +
    '.slow stands before .int or .e2e, and no unit test is slow',
  check: (files) =>
    files
      .map(({ path }) => path)
      .filter((path) => /\.(?:spec|test)\.[mc]?[jt]sx?$|__tests__/.test(path))
      .filter((path) => !/^[^_]*(?:(?<!\.slow)\.unit|(?:\.slow)?\.(?:int|e2e))\.spec\.ts$/.test(path))
      .map((path) => ({ path, found: 'has no tier in its name' })),
};

const fileNames: HouseRule = {
  name: 'a file is named after a noun of the field',
  remedy: 'name it after what it holds; if it holds two things, make two files',
  check: (files) =>
    files.flatMap(({ path }) => {
      const empty = /(?<=^|[/.-])(?:utils?|common|helpers?|manager|base|impl|misc)(?=$|[/.-])/i.exec(path);
      return empty ? [{ path, found: `"${empty[0]}" says nothing` }] : [];
    }),
};

/** The classes that our programs have met. Five digits of another class are only a number. */
const SQLSTATE = /^(?:08|22|23|25|28|3D|3F|40|42|53|54|55|57|58|F0|P0|XX)[0-9A-Z]{3}$/;

const sqlState: HouseRule = {
  name: 'what a SQLSTATE means is known in libs/postgres and nowhere else',
  remedy: 'ask a function of #postgres about the error; add one to sqlstate.ts if none asks this question',
  // Tests name the code they expect. The judge shares no code with what it judges.
  check: (files) =>
    eachNode(files, (node, { path }) => {
      if (/^(?:libs\/postgres|apps\/chaos)\//.test(path) || isTestOnly(path)) return undefined;
      return ts.isStringLiteralLike(node) && SQLSTATE.test(node.text) ? node.text : undefined;
    }),
};

// The parts are joined, so that this file does not break its own rule.
const PLACES = new RegExp(
  [
    String.raw`(?<![\w.:/-])/work` + String.raw`/`,
    '/tmp/bash' + '_jobs',
    String.raw`(?<![\w-])registry\.[a-z0-9-]+\.[a-z]{2,}`,
    String.raw`\b(?:artifactory|nexus|verdaccio)\.[a-z0-9.-]+`,
  ].join('|'),
);

const noPlaces: HouseRule = {
  name: 'no text names the machine it was written on, or a package host',
  remedy: 'use a path relative to the repository; leave the package host to the user of npm',
  check: (files) =>
    files.flatMap(({ path, text }) =>
      text.split('\n').flatMap((content, index) => {
        const match = PLACES.exec(content);
        return match ? [{ path, line: index + 1, found: match[0] }] : [];
      }),
    ),
};

/** The rules about names, sizes and the content of a file. */
export const textRules = {
  length,
  environment,
  namedExports,
  everyTestRuns,
  noSleep,
  onePlaceToWait,
  testNames,
  fileNames,
  sqlState,
  noPlaces,
};

function eachNode(
  files: readonly SourceFile[],
  judge: (node: ts.Node, file: SourceFile) => string | undefined,
): Violation[] {
  const violations: Violation[] = [];
  for (const file of files) {
    const tree = file.syntax?.tree;
    if (tree === undefined) continue;
    walk(tree, (node) => {
      const found = judge(node, file);
      if (found !== undefined) violations.push({ path: file.path, line: lineOf(tree, node), found });
    });
  }
  return violations;
}

function isImportOfEnvironment(node: ts.Node): boolean {
  if (!ts.isImportSpecifier(node) || (node.propertyName ?? node.name).text !== 'env') return false;
  return /['"](?:node:)?process['"]/.test(node.parent.parent.parent.getText());
}

function isTimer(node: ts.ImportSpecifier): boolean {
  if ((node.propertyName ?? node.name).text !== 'setTimeout') return false;
  return node.parent.parent.parent.getText().includes('timers/promises');
}

/** The names under which a file imports the awaitable timer: `import { setTimeout as rest } from …`. */
function namesOfTimer(file: SourceFile): string[] {
  const names: string[] = [];
  for (const statement of file.syntax?.tree.statements ?? []) {
    if (
      !ts.isImportDeclaration(statement) ||
      !statement.moduleSpecifier.getText().includes('timers/promises')
    )
      continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings && ts.isNamedImports(bindings))
      names.push(...bindings.elements.map((element) => element.name.text));
  }
  return names;
}

/** `sleep(500)`, `sleep(PAUSE_MS)`, `setTimeout(resolve, …)`. A timer that does something is not a sleep. */
function isSleep(node: ts.Node, sleepers: ReadonlySet<string>): boolean {
  if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return false;
  const [first] = node.arguments;
  if (first === undefined) return false;
  if (node.expression.text === 'setTimeout' && ts.isIdentifier(first)) return true;
  const isFixed =
    ts.isNumericLiteral(first) || (ts.isIdentifier(first) && /^[A-Z][A-Z0-9_]*$/.test(first.text));
  return isFixed && sleepers.has(node.expression.text);
}
