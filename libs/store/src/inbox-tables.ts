/** The tables of a further consumer's inbox: the same shape as those of the consumer that stores events. */
import { INBOX_MODELS, TABLES } from './grants.js';
import type { Queryable } from './queryable.js';

const CONSUMER = /^[a-z][a-z0-9_]{0,30}$/;

const MAKE_INBOX = `SELECT sekali.make_inbox($1)`;

/** The tables of one inbox, by what they hold. */
export type InboxTableNames = Readonly<Record<keyof typeof INBOX_MODELS, string>>;

/** Every inbox but that of `store` has a table of counters that is named like its table of keys. */
const INBOXES = `
SELECT left(key.relname, -length('_key')) AS name
FROM pg_class key JOIN pg_namespace space ON space.oid = key.relnamespace
WHERE space.nspname = 'sekali' AND key.relkind = 'r' AND key.relname LIKE '%\\_key'
  AND to_regclass(format('sekali.%I', left(key.relname, -length('_key')) || '_counter')) IS NOT NULL
ORDER BY 1`;

/** The consumers that have an inbox, `store` first. */
export async function inboxNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(INBOXES);
  return ['store', ...rows.map((row) => row.name)];
}

/** The tables of a consumer's inbox. */
export function inboxTableNames(consumer: string): InboxTableNames {
  const names = Object.entries(INBOX_MODELS).map(([suffix, model]) => [
    suffix,
    consumer === 'store' ? `sekali.${model}` : `sekali.${consumer}_${suffix}`,
  ]);
  return Object.fromEntries(names) as InboxTableNames;
}

/**
 * Makes the tables of a consumer's inbox, `sekali.<consumer>_key` and so on, those that are missing, with the rights of
 * the tables that they are like. The database's own function does it, since a worker may make no tables.
 *
 * @param consumer 1 to 31 characters a-z 0-9 _, beginning with a letter; not one whose tables would be the store's own
 */
export async function createInbox(database: Queryable, consumer: string): Promise<void> {
  const tables = Object.keys(INBOX_MODELS).map((suffix) => `${consumer}_${suffix}`);
  const taken = tables.find((table) => table in TABLES);
  if (!CONSUMER.test(consumer) || consumer === 'store' || taken !== undefined) {
    throw new Error(
      `"${consumer}" cannot name an inbox: use 1 to 31 characters a-z 0-9 _, a letter first, not "store"` +
        (taken === undefined ? '' : `, and not a name whose table sekali.${taken} is another's`),
    );
  }
  await database.query(MAKE_INBOX, [consumer]);
}
