/** The form of a house rule, and how files are classified for them. */
import type { SourceFile } from './source-file.js';

/** One file that breaks a rule. */
export interface Violation {
  readonly path: string;
  readonly line?: number;
  /** What was found there. */
  readonly found: string;
}

/** A rule over the whole tree. */
export interface HouseRule {
  /** The state of the tree when the rule holds; it names the test. */
  readonly name: string;
  /** What to do about a violation. */
  readonly remedy: string;
  check(files: readonly SourceFile[]): Violation[];
}

/** The library or app a file belongs to: `libs/store`, `apps/gateway`; `undefined` outside both. */
export function partOf(path: string): string | undefined {
  return /^(?:libs|apps)\/[^/]+/.exec(path)?.[0];
}

/** Whether a file is a test, of any tier. */
export function isSpec(path: string): boolean {
  return path.endsWith('.spec.ts');
}

/** Whether a file serves only tests: a test, a file in a folder `test`, or one of libs/testing. */
export function isTestOnly(path: string): boolean {
  return isSpec(path) || path.includes('/test/') || path.startsWith('libs/testing/');
}

/** The violations as a message: what, where, and what to do. Empty when there are none. */
export function report(rule: HouseRule, violations: readonly Violation[]): string {
  if (violations.length === 0) return '';
  const lines = violations.map(
    ({ path, line, found }) => `  ${path}${line === undefined ? '' : `:${line}`}  ${found}`,
  );
  return [`Broken: ${rule.name}.`, ...lines, `Remedy: ${rule.remedy}.`].join('\n');
}
