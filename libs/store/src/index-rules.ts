/** The rules of which indexes closed days get. Setup writes them into the database, where every worker obeys them. */
import type { Pool } from 'pg';
import { transact, type Queryable } from '#postgres';
import { replaceRules, type RuleTable, writtenRules } from './topic-rules.js';

/** `fields` is an index of members and their values, `text` in addition one of any part of the text. */
export type IndexKind = 'none' | 'fields' | 'text';

/** One rule. The first whose pattern matches a topic decides on it; `none` asks for nothing. */
export interface IndexRule {
  /** See `WrittenRule`. */
  readonly pattern: string;
  readonly kind: IndexKind;
}

/** Postgres does not have what an index of texts needs. */
export class TextIndexError extends Error {
  override readonly name = 'TextIndexError';
}

const RULES: RuleTable<IndexRule> = {
  lock: 7_365_031,
  present: `SELECT pattern, kind FROM sekali.index_rule ORDER BY position`,
  remove: `DELETE FROM sekali.index_rule`,
  insert: `
INSERT INTO sekali.index_rule (position, pattern, expression, kind)
SELECT position, pattern, expression, kind
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS input (pattern, expression, kind, position)`,
  valueOf: ({ kind }) => kind,
};
const EXTENSION = `
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AS is_there,
  EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') AS is_available`;

/** Reads the rules of the setting `SEKALI_INDEXES`, such as `logs.>=text`. */
export function indexRules(text: string | undefined): IndexRule[] {
  return writtenRules(text).map(({ pattern, value }) => ({
    pattern,
    kind: value === 'text' || value === 'fields' ? value : 'none',
  }));
}

/**
 * Makes the rules in the database those of the settings. A rule that asks for texts has the extension pg_trgm created.
 *
 * @param pool connected as the owner of the schema and the database
 * @returns the rules that hold now, if they have changed
 * @throws TextIndexError when a rule asks for texts, and the server does not have the extension; nothing has changed
 */
export async function writeIndexRules(
  pool: Pool,
  rules: readonly IndexRule[],
): Promise<readonly IndexRule[] | undefined> {
  return transact(pool, async (database) => {
    const changed = await replaceRules(database, RULES, rules);
    if (rules.some(({ kind }) => kind === 'text')) await createTrigrams(database);
    return changed;
  });
}

async function createTrigrams(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ is_there: boolean; is_available: boolean }>(EXTENSION);
  const { is_there: isThere = false, is_available: isAvailable = false } = rows[0] ?? {};
  if (isThere) return;
  if (!isAvailable) {
    throw new TextIndexError(
      'a rule asks for indexes of texts, and this Postgres does not have the extension pg_trgm: ' +
        'install its contrib modules, or use "fields" in SEKALI_INDEXES',
    );
  }
  await database.query('CREATE EXTENSION pg_trgm SCHEMA sekali');
}
