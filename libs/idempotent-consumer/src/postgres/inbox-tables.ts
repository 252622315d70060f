/**
 * The tables of an inbox, and their names.
 *
 * Three designs were thought of:
 * 1. One set of tables for all consumers, with a column that names the consumer. Every index grows with all of them, and to
 *    forget a consumer is to delete rows one by one.
 * 2. A set for each consumer, and one registry of stream incarnations for all. Whoever registers an incarnation has to lock
 *    and move the rows of every consumer, also of one that was further ahead; and a shared table is a name to collide with.
 * 3. A set for each consumer, its registry included. This is what is done: consumers share nothing, not even a number.
 *
 * No two consumers can meet: what follows a consumer's name (`_key`, `_stream`, and so on) is never the end of another one,
 * nor is the name of any constraint. A table of somebody else is noticed when the inbox is created (create-inbox.ts).
 *
 * A program whose tables were there before, in another schema or of other names, hands them in as `InboxTables`.
 */

/** The tables of one consumer's inbox: qualified names, as they stand in a statement. They come from code, never from input. */
export interface InboxTables {
  readonly key: string;
  readonly duplicate: string;
  readonly deadLetter: string;
  readonly attempt: string;
  readonly counter: string;
  /** Incarnations of streams: `base_stream_id` is superseded behind `base_seq`. */
  readonly stream: string;
  /** Whether `key` keeps when each message was published, in `published_at`; not, when left out. */
  readonly keyIsDated?: boolean;
}

/** Which inbox. */
export interface InboxName {
  /** `inbox` when left out. It should hold nothing but inboxes. */
  readonly schema?: string | undefined;
  /** The consumer's name: 1 to 40 letters, digits, `_` and `-`, the first a letter or a digit. */
  readonly consumer: string;
}

/** A name, or a table that stands under it, makes this inbox impossible. The message says what to change. */
export class InboxNameError extends Error {
  override readonly name = 'InboxNameError';
}

/** The schema of inboxes where none is named. */
export const INBOX_SCHEMA = 'inbox';

/** With what follows it, and in an index, a name stays below the 63 bytes of Postgres. */
const CONSUMER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
const SCHEMA = /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

/**
 * The tables of a consumer's inbox.
 *
 * @throws InboxNameError when the schema or the consumer has a name that no table could carry
 */
export function inboxTables({ schema = INBOX_SCHEMA, consumer }: InboxName): InboxTables {
  if (!CONSUMER.test(consumer))
    throw new InboxNameError(
      `"${consumer}" cannot name an inbox: use 1 to 40 letters, digits, _ and -, a letter or a digit first`,
    );
  if (!SCHEMA.test(schema))
    throw new InboxNameError(
      `"${schema}" cannot be the schema of inboxes: use 1 to 63 letters, digits, _ and -, a letter or _ first, and none of Postgres' own`,
    );
  const table = (suffix: string): string => `"${schema}"."${consumer}_${suffix}"`;
  return {
    key: table('key'),
    duplicate: table('duplicate'),
    deadLetter: table('dead_letter'),
    attempt: table('attempt'),
    counter: table('counter'),
    stream: table('stream'),
    keyIsDated: true,
  };
}
