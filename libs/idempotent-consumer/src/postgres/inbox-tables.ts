/**
 * The tables of one consumer's inbox: qualified and quoted names for statements. They come from code, and
 * never from input.
 *
 * A program with older tables, in another schema or of other names, passes them as an `InboxTables` of its
 * own.
 */
export interface InboxTables {
  /**
   * Generation 0 of the keys. Younger generations are its children in the sense of Postgres, so a query or an
   * update of it covers all of them.
   */
  readonly key: string;
  /**
   * The registry of the generations of keys. It may not exist before the first change. Without a name, the
   * keys stay in one generation.
   */
  readonly keyGeneration?: string;
  /** The filters of closed generations. It may not exist before the first change. */
  readonly keyFilter?: string;
  readonly duplicate: string;
  readonly deadLetter: string;
  readonly attempt: string;
  readonly counter: string;
  /** The incarnations of streams. Those in `base_stream_id` are superseded behind `base_seq`. */
  readonly stream: string;
  /**
   * Whether `key` has a column `published_at` with the publishing time of each message. The default is false.
   */
  readonly keyIsDated?: boolean;
}

/** An inbox whose keys may have generations. */
export type TablesWithGenerations = InboxTables & Required<Pick<InboxTables, 'keyGeneration' | 'keyFilter'>>;

/** The tables that together have a row for each message. */
export type MessageTables = Pick<InboxTables, 'key' | 'duplicate' | 'deadLetter'> & {
  /** Of a consumer that keeps an order: messages that were taken, and are decided later. */
  readonly parked?: string;
};

/** Returns the names of these tables. */
export function messageTables({ key, duplicate, deadLetter, parked }: MessageTables): string[] {
  return [key, duplicate, deadLetter, ...(parked === undefined ? [] : [parked])];
}

/** Which inbox. */
export interface InboxName {
  /** The schema. The default is `inbox`. It should contain nothing but inboxes. */
  readonly schema?: string | undefined;
  /** The consumer's name: 1 to 40 letters, digits, `_` and `-`, beginning with a letter or a digit. */
  readonly consumer: string;
  /** Whether its events have an order, which takes three more tables. The default is false. */
  readonly isOrdered?: boolean;
}

/**
 * This inbox is impossible because of a name, or of a table that has its name. The message says what to
 * change.
 */
export class InboxNameError extends Error {
  override readonly name = 'InboxNameError';
}

/** The default schema of inboxes. */
export const INBOX_SCHEMA = 'inbox';

/** With every suffix, a name of a table or an index stays below the 63 bytes of Postgres. */
const CONSUMER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
const SCHEMA = /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

/**
 * Returns the tables of a consumer's inbox.
 *
 * Three designs were considered:
 *
 * - One set of tables for all consumers, with a column for the consumer. Every index would grow with all of
 *   them, and the removal of a consumer would delete rows one by one.
 * - A set for each consumer, and one registry of stream incarnations for all. A process that registers an
 *   incarnation would lock and move the rows of every consumer, also of one that was further ahead. The
 *   shared table would be a name to collide with.
 * - A set for each consumer, including its registry. This is the design in use: consumers share nothing, not
 *   even a stream id.
 *
 * No two consumers can collide. A suffix (`_key`, `_stream`, and so on) is never the end of another one, nor
 * is the name of a constraint. `createInbox` notices a table that belongs to other software.
 *
 * @throws InboxNameError when no table could have the name of the schema or the consumer
 */
export function inboxTables({ schema = INBOX_SCHEMA, consumer }: InboxName): TablesWithGenerations {
  if (!CONSUMER.test(consumer))
    throw new InboxNameError(
      `"${consumer}" cannot name an inbox: use 1 to 40 letters, digits, _ and -, a letter or a digit first`,
    );
  if (!SCHEMA.test(schema))
    throw new InboxNameError(
      `"${schema}" cannot be the schema of inboxes: use 1 to 63 letters, digits, _ and -, a letter or _ first, and not a name of Postgres' own`,
    );
  const table = (suffix: string): string => `"${schema}"."${consumer}_${suffix}"`;
  return {
    key: table('key'),
    keyGeneration: table('key_generation'),
    keyFilter: table('key_filter'),
    duplicate: table('duplicate'),
    deadLetter: table('dead_letter'),
    attempt: table('attempt'),
    counter: table('counter'),
    stream: table('stream'),
    keyIsDated: true,
  };
}

/**
 * Returns the table of one generation of keys.
 *
 * @param key generation 0, with its schema
 * @param number 0 or more
 */
export function generationTable(key: string, number: number): string {
  if (number === 0) return key;
  return key.endsWith('"') ? `${key.slice(0, -1)}_g${number}"` : `${key}_g${number}`;
}
