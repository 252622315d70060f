/** The tables of a further consumer's inbox: the same shape as those of the consumer that stores events. */
import { INBOX_MODELS, TABLES } from './grants.js';
import type { Queryable } from './queryable.js';

const CONSUMER = /^[a-z][a-z0-9_]{0,30}$/;

const MAKE_INBOX = `SELECT sekali.make_inbox($1)`;

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
