/** Keys whose events wait behind a dead letter, for operators: what they are, and how they go on. */
import type { Queryable } from '#postgres';
import { type InboxName, inboxTables } from '../postgres/inbox-tables.js';
import { orderTables } from './order-tables.js';

/** A key that waits behind a dead letter. */
export interface HeldKey {
  readonly key: string;
  /** The dead letter: the incarnation of the stream and the sequence are its name. */
  readonly streamId: number;
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string | null;
  readonly reason: string;
  readonly detail: string;
  readonly heldSince: Date;
  /** How many events wait behind it. */
  readonly waiting: number;
}

const KEYS_MAX = 100;

/**
 * Returns held keys, those first that have waited for longest.
 *
 * @param database a pool that may read the tables of the consumer
 * @param name the schema and the consumer
 * @param limit how many, at most; the default is 100
 */
export async function heldKeys(
  database: Pick<Queryable, 'query'>,
  name: InboxName,
  limit = KEYS_MAX,
): Promise<readonly HeldKey[]> {
  const { blocked, parked } = orderTables(name);
  const { deadLetter } = inboxTables(name);
  const { rows } = await database.query<HeldKey & Record<string, unknown>>(
    `
SELECT key, stream_id AS "streamId", seq::float8 AS seq, topic, event_id AS "eventId", reason, detail,
  blocked_at AS "heldSince",
  (SELECT count(*)::float8 FROM ${parked} parked WHERE parked.key = blocked.key) AS waiting
FROM ${blocked} blocked JOIN ${deadLetter} dead USING (stream_id, seq)
WHERE due_at IS NULL ORDER BY blocked_at, key LIMIT $1`,
    [limit],
  );
  return rows;
}

/**
 * Has a held key go on. The worker that decides notices it within a second.
 *
 * @param database a pool of a role that may change the tables of the consumer
 * @param how with `skip` the dead letter stays one, and those behind it take effect. With `again` it is processed once
 *   more in its place, as after the handler was mended. It is not a dead letter meanwhile. It has those of its headers
 *   that fit into the row of a dead letter.
 * @returns whether the key was held
 */
export async function releaseKey(
  database: Pick<Queryable, 'query'>,
  name: InboxName,
  key: string,
  how: 'skip' | 'again',
): Promise<boolean> {
  const { rows } = await database.query<{ count: number }>(release(name), [key, how === 'again']);
  return rows[0]?.count === 1;
}

/** The statement that releases a key $1, and with $2 makes an event of its dead letter again. */
function release(name: InboxName): string {
  const { parked, blocked } = orderTables(name);
  const { deadLetter, attempt, counter } = inboxTables(name);
  return `
WITH released AS (
  UPDATE ${blocked} SET due_at = clock_timestamp(), is_retry = false
  WHERE key = $1 AND due_at IS NULL RETURNING key, stream_id, seq
), letter AS (
  DELETE FROM ${deadLetter} dead USING released
  WHERE $2 AND dead.stream_id = released.stream_id AND dead.seq = released.seq RETURNING dead.*, released.key AS order_key
), uncounted AS (
  INSERT INTO ${counter} AS counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
  SELECT stream_id, topic, 0, 0, 0, 0, -1, 0 FROM letter
  ON CONFLICT (stream_id, topic, shard) DO UPDATE SET dead_letters = counter.dead_letters - 1
), forgotten AS (
  DELETE FROM ${attempt} attempt USING letter WHERE attempt.stream_id = letter.stream_id AND attempt.seq = letter.seq
), put_back AS (
  INSERT INTO ${parked} (stream_id, seq, key, topic, event_id, subject, headers, body, deliveries, published_at)
  SELECT stream_id, seq, order_key, topic, coalesce(event_id, ''), subject,
    convert_to(E'NATS/1.0\\r\\n' || (
      SELECT string_agg(header.name || ': ' || each.line || E'\\r\\n', '')
      FROM jsonb_each(headers::jsonb) AS header (name, lines)
      CROSS JOIN jsonb_array_elements_text(header.lines) AS each (line)
    ) || E'\\r\\n', 'UTF8'),
    body, deliveries, published_at
  FROM letter
)
SELECT count(*)::integer AS count FROM released`;
}
