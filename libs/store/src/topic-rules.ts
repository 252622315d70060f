/** Rules about topics, as settings write them: `logs.>=7d,>=90d`. The first whose pattern matches a topic decides on it. */
import type { Queryable } from '#postgres';

/** A rule as it is written. */
export interface WrittenRule {
  /** A topic in which `*` stands for one token, and `>` at the end for one or more. */
  readonly pattern: string;
  /** What is behind the last `=`. */
  readonly value: string;
}

/**
 * Divides the text of a setting, which libs/config has validated.
 *
 * @param text rules that are joined by commas; `undefined` is none
 */
export function writtenRules(text: string | undefined): WrittenRule[] {
  return (text ?? '').split(',').flatMap((written) => {
    const rule = written.trim();
    // The pattern `>` makes a rule of `>=7d`, so the last `=` divides it.
    const at = rule.lastIndexOf('=');
    const pattern = rule.slice(0, at);
    return pattern === '' ? [] : [{ pattern, value: rule.slice(at + 1) }];
  });
}

/** Returns a pattern as a regular expression of Postgres. */
function expressionOf(pattern: string): string {
  const tokens = pattern.split('.').map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token));
  return `^${tokens.join('\\.')}$`;
}

/** A table of rules, in their order. */
export interface RuleTable<R> {
  /** The advisory lock of a transaction that writes them. */
  readonly lock: number;
  readonly present: string;
  readonly remove: string;
  /** Takes the patterns, their expressions, and what the rules say. */
  readonly insert: string;
  readonly valueOf: (rule: R) => unknown;
}

/**
 * Makes the rules in a table those of the settings.
 *
 * @param database the connection of a transaction, as the owner of the schema
 * @returns the rules that hold now, if they have changed
 */
export async function replaceRules<R extends { readonly pattern: string }>(
  database: Queryable,
  { lock, present, remove, insert, valueOf }: RuleTable<R>,
  rules: readonly R[],
): Promise<readonly R[] | undefined> {
  await database.query('SELECT pg_advisory_xact_lock($1)', [lock]);
  const { rows } = await database.query(present);
  if (JSON.stringify(rows) === JSON.stringify(rules)) return undefined;
  await database.query(remove);
  await database.query(insert, [
    rules.map(({ pattern }) => pattern),
    rules.map(({ pattern }) => expressionOf(pattern)),
    rules.map(valueOf),
  ]);
  return rules;
}
