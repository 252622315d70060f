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

/** The tables of one inbox, by what they hold. */
export type InboxTableNames = Readonly<Record<keyof typeof MODELS, string>>;

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
  const names = Object.entries(MODELS).map(([suffix, model]) => [
    suffix,
    consumer === 'store' ? `sekali.${model}` : `sekali.${consumer}_${suffix}`,
  ]);
  return Object.fromEntries(names) as InboxTableNames;
}

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
