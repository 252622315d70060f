/** The tables of a further consumer's inbox: the same shape as those of the consumer that stores events. */
import type { Queryable } from './queryable.js';

const CONSUMER = /^[a-z][a-z0-9_]{0,30}$/;

/** Each table that an inbox has, and the one of `store` that it is like. */
const MODELS = {
  key: 'event_key',
  duplicate: 'duplicate',
  dead_letter: 'dead_letter',
  attempt: 'attempt',
  counter: 'counter',
} as const;

/**
 * Makes the tables of a consumer's inbox, `sekali.<consumer>_key` and so on, those that are missing.
 *
 * @param consumer 1 to 31 characters a-z 0-9 _, beginning with a letter
 */
export async function createInbox(database: Queryable, consumer: string): Promise<void> {
  if (!CONSUMER.test(consumer) || consumer === 'store') {
    throw new Error(
      `"${consumer}" cannot name an inbox: use 1 to 31 characters a-z 0-9 _, a letter first, not "store"`,
    );
  }
  for (const [suffix, model] of Object.entries(MODELS)) {
    await database.query(
      `CREATE TABLE IF NOT EXISTS sekali.${consumer}_${suffix} (LIKE sekali.${model} INCLUDING ALL)`,
    );
  }
}
