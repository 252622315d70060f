/** The tables of inboxes. Those of a further consumer have the same columns as those of `store`. */
import type { Queryable } from '#postgres';
import { InboxNameError, type InboxTables } from '#idempotent-consumer/postgres';
import { INBOX_MODELS, TABLES } from './grants.js';

const CONSUMER = /^[a-z][a-z0-9_]{0,30}$/;

/** The consumer that stores the events. Its horizon is kept in a table. */
export const STORE_INBOX = 'store';

const CREATE_INBOX = `SELECT sekali.make_inbox($1)`;

/** Every inbox except that of `store` has a table of counters whose name begins like that of its keys. */
const INBOXES = `
SELECT left(key.relname, -length('_key')) AS name
FROM pg_class key JOIN pg_namespace space ON space.oid = key.relnamespace
WHERE space.nspname = 'sekali' AND key.relkind = 'r' AND key.relname LIKE '%\\_key'
  AND to_regclass(format('sekali.%I', left(key.relname, -length('_key')) || '_counter')) IS NOT NULL
ORDER BY 1`;

/** Returns the names of the consumers that have an inbox, `store` first. */
export async function inboxNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(INBOXES);
  return [STORE_INBOX, ...rows.map((row) => row.name)];
}

/**
 * Returns the tables of a consumer's inbox. The migrations create those of `store`. All consumers share one registry of
 * streams.
 *
 * @throws InboxNameError for a name that no inbox can have: see `createInbox`
 */
export function storeInboxTables(consumer: string): InboxTables {
  if (consumer !== STORE_INBOX) refuseName(consumer);
  const table = (suffix: keyof typeof INBOX_MODELS): string =>
    `sekali.${consumer === STORE_INBOX ? INBOX_MODELS[suffix] : `${consumer}_${suffix}`}`;
  return {
    key: table('key'),
    keyGeneration: table('key_generation'),
    keyFilter: table('key_filter'),
    duplicate: table('duplicate'),
    deadLetter: table('dead_letter'),
    attempt: table('attempt'),
    counter: table('counter'),
    stream: 'sekali.stream',
  };
}

/**
 * Creates the missing tables of a consumer's inbox, such as `sekali.<consumer>_key`. They get the rights of the tables
 * of `store`. A function in the database does it, because a worker may not create tables.
 *
 * @param consumer 1 to 31 characters a-z 0-9 _, beginning with a letter; its tables must not be other tables of the
 *   schema
 * @throws InboxNameError for any other name
 */
export async function createInbox(database: Queryable, consumer: string): Promise<void> {
  refuseName(consumer);
  await database.query(CREATE_INBOX, [consumer]);
}

function refuseName(consumer: string): void {
  const tables = Object.keys(INBOX_MODELS).map((suffix) => `${consumer}_${suffix}`);
  const taken = tables.find((table) => table in TABLES);
  if (CONSUMER.test(consumer) && consumer !== STORE_INBOX && taken === undefined) return;
  throw new InboxNameError(
    `"${consumer}" cannot name an inbox: use 1 to 31 characters a-z 0-9 _, a letter first, not "store"` +
      (taken === undefined ? '' : `, and not a name whose table sekali.${taken} is another's`),
  );
}
