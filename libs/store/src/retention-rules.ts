/** The rules of how long payloads are kept. Setup writes them into the database, where every worker obeys them. */
import type { Pool } from 'pg';
import { transact, type Queryable } from '#postgres';
import { replaceRules, type RuleTable, writtenRules } from './topic-rules.js';

/** One rule. The first whose pattern matches a topic decides on it. */
export interface RetentionRule {
  /** See `WrittenRule`. */
  readonly pattern: string;
  /** Whole days in UTC after that of storing; `null` is for ever. */
  readonly days: number | null;
}

/** The advisory lock of a transaction that writes rules or ages. */
export const RETENTION_LOCK = 7_365_007;

const PRESENT = `SELECT pattern, days FROM sekali.retention_rule ORDER BY position`;
const RULES: RuleTable<RetentionRule> = {
  lock: RETENTION_LOCK,
  present: PRESENT,
  remove: `DELETE FROM sekali.retention_rule`,
  insert: `
INSERT INTO sekali.retention_rule (position, pattern, expression, days)
SELECT position, pattern, expression, days
FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS input (pattern, expression, days, position)`,
  valueOf: ({ days }) => days,
};

/** Reads the rules of the setting `SEKALI_RETENTION`, such as `logs.>=7d`. */
export function retentionRules(text: string | undefined): RetentionRule[] {
  return writtenRules(text).map(({ pattern, value }) => ({
    pattern,
    days: value === 'forever' ? null : Number.parseInt(value, 10),
  }));
}

/** Reads the rules that hold. */
export async function presentRetentionRules(database: Queryable): Promise<RetentionRule[]> {
  return (await database.query<RetentionRule & Record<string, unknown>>(PRESENT)).rows;
}

/**
 * Makes the rules in the database those of the settings.
 *
 * @param pool connected as the owner of the schema
 * @returns the rules that hold now, if they have changed
 */
export async function writeRetentionRules(
  pool: Pool,
  rules: readonly RetentionRule[],
): Promise<readonly RetentionRule[] | undefined> {
  return transact(pool, (database) => replaceRules(database, RULES, rules));
}
