/** Stores events, with one statement for each batch. This is the effect of the consumer `store`. */
import type { SekaliEvent } from '#contracts';
import type { Transaction } from '#idempotent-consumer';
import {
  bigintColumn,
  instantColumn,
  jsonbColumn,
  textColumn,
  timestampColumn,
  type Queryable,
} from '#postgres';

/** An event that is to be stored. */
export interface NewEvent {
  readonly seq: number;
  readonly publishedAt: Date;
  readonly event: SekaliEvent;
}

/** In the list of values, Postgres walks the arrays in step. As a table, it would first materialize each of them. */
const INSERT_EVENTS = {
  name: 'insert_events',
  text: `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1::integer, unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]),
  unnest($6::timestamptz[]), unnest($7::jsonb[]), unnest($8::timestamptz[])`,
};

/**
 * Stores events in the caller's transaction.
 *
 * @throws when Postgres refuses one of them; then none is stored
 */
export async function insertEvents(
  transaction: Pick<Transaction, 'query'>,
  streamId: number,
  events: readonly NewEvent[],
): Promise<void> {
  if (events.length === 0) return;
  // In the order of the stream, most of the table's indexes grow at their end, which costs least.
  const inOrder = [...events].sort((a, b) => a.seq - b.seq);
  await transaction.query(INSERT_EVENTS, [
    streamId,
    bigintColumn(inOrder.map(({ seq }) => seq)),
    textColumn(inOrder.map(({ event }) => event.topic)),
    textColumn(inOrder.map(({ event }) => event.eventId)),
    textColumn(inOrder.map(({ event }) => event.source)),
    instantColumn(inOrder.map(({ event }) => event.timestamp)),
    jsonbColumn(inOrder.map(({ event }) => event.payload)),
    timestampColumn(inOrder.map(({ publishedAt }) => publishedAt.getTime())),
  ]);
}

const FIND_CONFLICTS = `
SELECT candidate.seq::float8 AS seq
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::jsonb[]) AS candidate (seq, topic, event_id, payload)
JOIN sekali.event_key key ON key.topic = candidate.topic AND key.event_id = candidate.event_id
LEFT JOIN sekali.event stored
  ON stored.stream_id = key.stream_id AND stored.seq = key.seq AND stored.stored_at = key.stored_at
WHERE stored.payload IS DISTINCT FROM candidate.payload`;

/**
 * Finds the conflicts among events whose ids are stored already: their payload is another JSON value than the stored
 * one. An event whose stored payload was dropped by age counts as a conflict, because the digests of the texts differ.
 *
 * @returns the sequences of the conflicts
 */
export async function findConflicts(
  database: Queryable,
  events: readonly Pick<NewEvent, 'seq' | 'event'>[],
): Promise<Set<number>> {
  if (events.length === 0) return new Set();
  const { rows } = await database.query<{ seq: number }>(FIND_CONFLICTS, [
    bigintColumn(events.map(({ seq }) => seq)),
    textColumn(events.map(({ event }) => event.topic)),
    textColumn(events.map(({ event }) => event.eventId)),
    jsonbColumn(events.map(({ event }) => event.payload)),
  ]);
  return new Set(rows.map((row) => row.seq));
}
