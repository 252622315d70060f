/**
 * One event by its identity, and what a stored event looks like to a reader.
 *
 * Payloads come back as Postgres' own JSON text. They are spliced into the answer as they are, because parsing
 * and printing them again would round their large numbers.
 */
import type { Queryable } from '#postgres';

/** A place in the order of all events: at this sequence of this making of the stream. */
export interface EventPosition {
  readonly streamId: number;
  readonly seq: number;
  /** Sequences beyond it that were read already, as ranges with both ends, in order. */
  readonly seen?: readonly SequenceRange[];
}

/** From the first to the last sequence, both included. */
export type SequenceRange = readonly [first: number, last: number];

/** A stored event. Instants are ISO 8601 in UTC: milliseconds, or microseconds where these are not zero. */
export interface StoredEvent {
  readonly streamId: number;
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string;
  readonly timestamp: string;
  readonly source: string;
  /** JSON text of an object. */
  readonly payload: string;
  readonly publishedAt: string;
  readonly storedAt: string;
}

/** A row that `EVENT_COLUMNS` selects. */
export interface EventRow {
  readonly stream_id: number;
  readonly seq: number;
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly timestamp: string;
  readonly payload: string;
  readonly published_at: string;
  readonly stored_at: string;
}

/** How an instant is selected: whole microseconds in UTC, whatever zone the session is in. */
export function instantText(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** What is known of one event id. */
export type FoundEvent =
  | { readonly state: 'stored'; readonly event: StoredEvent; readonly duplicatesDropped: number }
  /** The id is remembered, its payload was dropped with the day it was stored on. */
  | {
      readonly state: 'dropped';
      readonly seq: number;
      readonly storedAt: string;
      readonly duplicatesDropped: number;
    }
  | { readonly state: 'unknown' };

// stored_at leads to the one partition that can hold the row.
const ONE_EVENT = `
SELECT key.stream_id, key.seq::float8 AS seq, key.topic, key.event_id, stored.source,
  ${instantText('stored."timestamp"')} AS "timestamp", stored.payload::text AS payload,
  ${instantText('stored.published_at')} AS published_at,
  ${instantText('key.stored_at')} AS stored_at,
  (SELECT count(*)::float8 FROM sekali.duplicate WHERE topic = $1 AND event_id = $2) AS duplicates_dropped
FROM sekali.event_key key
LEFT JOIN sekali.event stored
  ON stored.stream_id = key.stream_id AND stored.seq = key.seq AND stored.stored_at = key.stored_at
WHERE key.topic = $1 AND key.event_id = $2`;

type OneEventRow =
  | (EventRow & { readonly duplicates_dropped: number })
  | {
      readonly payload: null;
      readonly seq: number;
      readonly stored_at: string;
      readonly duplicates_dropped: number;
    };

/** Finds one event by its identity. */
export async function findEvent(database: Queryable, topic: string, eventId: string): Promise<FoundEvent> {
  const { rows } = await database.query<OneEventRow>(ONE_EVENT, [topic, eventId]);
  const row = rows[0];
  if (row === undefined) return { state: 'unknown' };
  const duplicatesDropped = row.duplicates_dropped;
  if (row.payload === null) {
    return { state: 'dropped', seq: row.seq, storedAt: shortInstant(row.stored_at), duplicatesDropped };
  }
  return { state: 'stored', event: storedEvent(row), duplicatesDropped };
}

/** Turns a row into what readers get. */
export function storedEvent(row: EventRow): StoredEvent {
  return {
    streamId: row.stream_id,
    seq: row.seq,
    topic: row.topic,
    eventId: row.event_id,
    timestamp: shortInstant(row.timestamp),
    source: row.source,
    payload: row.payload,
    publishedAt: shortInstant(row.published_at),
    storedAt: shortInstant(row.stored_at),
  };
}

/** Microseconds are shown only where they say something: `…00.000000Z` is `…00.000Z`. */
function shortInstant(instant: string): string {
  return instant.endsWith('000Z') ? `${instant.slice(0, -4)}Z` : instant;
}
