/**
 * Finds one event by its identity, and defines how readers see a stored event.
 *
 * Payloads are returned as Postgres' own JSON text, and inserted into answers unchanged. Parsing and printing them
 * again would round their large numbers.
 */
import type { Queryable } from '#postgres';

/** A place in the order of all events: a sequence in a stream incarnation. */
export interface EventPosition {
  readonly streamId: number;
  readonly seq: number;
  /** Sequences beyond it that were read already, as ranges in ascending order. */
  readonly seen?: readonly SequenceRange[];
}

/** The sequences from the first to the last, both included. */
export type SequenceRange = readonly [first: number, last: number];

/** A stored event. Instants are ISO 8601 in UTC, with milliseconds, or with microseconds where these are not zero. */
export interface StoredEvent {
  readonly streamId: number;
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string;
  readonly timestamp: string;
  readonly source: string;
  /** The JSON text of an object. */
  readonly payload: string;
  readonly publishedAt: string;
  readonly storedAt: string;
}

/** A row of an event, as the statements here and in event-page-statements.ts select it. */
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

/** The SQL that selects an instant as text: in microseconds and UTC, whatever the time zone of the session. */
export function instantText(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** What the database has of one event id. */
export type FoundEvent =
  | { readonly state: 'stored'; readonly event: StoredEvent; readonly duplicatesDropped: number }
  /** The id is remembered. The payload was dropped with the day on which it was stored. */
  | {
      readonly state: 'dropped';
      readonly seq: number;
      readonly storedAt: string;
      readonly duplicatesDropped: number;
    }
  | { readonly state: 'unknown' };

// By stored_at, Postgres finds the only partition that can have the row.
const ONE_EVENT = `
SELECT key.stream_id, key.seq::float8 AS seq, key.topic, key.event_id, stored.source,
  ${instantText('stored."timestamp"')} AS "timestamp", stored.payload::text AS payload,
  ${instantText('stored.published_at')} AS published_at,
  ${instantText('key.stored_at')} AS stored_at,
  (SELECT count(*)::float8 FROM sekali.duplicate
   WHERE first_stream_id = key.stream_id AND first_seq = key.seq) AS duplicates_dropped
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

/** Converts a row to the event that readers get. */
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

/** Leaves out the microseconds where they are zero: `…00.000000Z` becomes `…00.000Z`. */
export function shortInstant(instant: string): string {
  return instant.endsWith('000Z') ? `${instant.slice(0, -4)}Z` : instant;
}
