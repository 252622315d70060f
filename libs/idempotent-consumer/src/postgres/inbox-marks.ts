/** How tables are known to belong to an inbox: by a comment, and never by their names alone. */
import type { Queryable } from '#postgres';
import { InboxNameError } from './inbox-tables.js';

/** The version of the tables' shape, raised whenever it changes. */
const VERSION = 1;

const MARK = /^Inbox of a consumer, version (\d+): /;

const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';

// The catalogue is read directly, because to_regclass may still answer from before another process created
// the schema.
const PRESENT = `
SELECT format('"%s"."%s"', nspname, relname) AS name, obj_description(pg_class.oid, 'pg_class') AS comment
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = $1 AND format('"%s"."%s"', nspname, relname) = ANY($2)`;

interface Present {
  readonly name: string;
  readonly comment: string | null;
}

/** Has one process at a time create tables of inboxes in a schema, until its transaction ends. */
export async function lockInboxes(database: Queryable, schema: string): Promise<void> {
  await database.query(LOCK, [`idempotent-consumer ${schema}`]);
}

/** The statement that marks a table as part of an inbox. */
export function mark(table: string, holds: string): string {
  return `COMMENT ON TABLE ${table} IS 'Inbox of a consumer, version ${VERSION}: ${holds}'`;
}

/**
 * Returns whether all tables of an inbox exist, and `false` when none does.
 *
 * @param names qualified and quoted names
 * @param remedy what to do where only some exist
 * @throws InboxNameError when only some exist, or one belongs to other software or to a newer version
 */
export async function areThere(
  database: Pick<Queryable, 'query'>,
  schema: string,
  names: readonly string[],
  remedy: string,
): Promise<boolean> {
  const { rows } = await database.query<Present>(PRESENT, [schema, names]);
  for (const { name, comment } of rows) refuseOther(name, comment);
  if (rows.length === 0 || rows.length === names.length) return rows.length > 0;
  const missing = names.filter((name) => !rows.some((row) => row.name === name));
  throw new InboxNameError(`${missing.join(', ')} of an inbox is missing${remedy}`);
}

function refuseOther(table: string, comment: string | null): void {
  const version = Number(MARK.exec(comment ?? '')?.[1] ?? 0);
  if (version === 0)
    throw new InboxNameError(
      `${table} exists already and is not the table of an inbox: give the consumer another name, or its inbox another schema`,
    );
  if (version > VERSION)
    throw new InboxNameError(
      `${table} has version ${version}, and this program knows version ${VERSION}: start a newer program`,
    );
}
