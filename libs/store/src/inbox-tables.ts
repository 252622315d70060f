/** The tables of a further consumer's inbox: the same shape as those of the consumer that stores events. */
import type { Queryable } from '#postgres';
import { InboxNameError, type InboxTables } from '#idempotent-consumer/postgres';
import { INBOX_MODELS, TABLES } from './grants.js';

const CONSUMER = /^[a-z][a-z0-9_]{0,30}$/;

/** The consumer that keeps the events; its horizon is kept. */
export const STORE_INBOX = 'store';

const MAKE_INBOX = `SELECT sekali.make_inbox($1)`;

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

/**
 * The tables of a consumer's inbox. `store` has those that the migrations create; all consumers share one registry.
 *
 * @throws InboxNameError for a name that no inbox can have: see `createInbox`
 */
export function storeInboxTables(consumer: string): InboxTables {
  if (consumer !== STORE_INBOX) refuseName(consumer);
  const table = (suffix: keyof typeof INBOX_MODELS): string =>
    `sekali.${consumer === STORE_INBOX ? INBOX_MODELS[suffix] : `${consumer}_${suffix}`}`;
  return {
    key: table('key'),
    duplicate: table('duplicate'),
    deadLetter: table('dead_letter'),
    attempt: table('attempt'),
    counter: table('counter'),
    stream: 'sekali.stream',
  };
}

/**
 * Makes the tables of a consumer's inbox, `sekali.<consumer>_key` and so on, those that are missing, with the rights of
 * the tables that they are like. The database's own function does it, since a worker may make no tables.
 *
 * @param consumer 1 to 31 characters a-z 0-9 _, beginning with a letter; not one whose tables would be the store's own
 */
export async function createInbox(database: Queryable, consumer: string): Promise<void> {
  refuseName(consumer);
  await database.query(MAKE_INBOX, [consumer]);
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
