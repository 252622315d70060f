/** An event as a row: how it is read, and how it is set aside. */
import type { WrittenEvent } from '../producer/new-event.js';
import { traceOf } from '../trace-context.js';

/** An event of the outbox. */
export interface OutboxRow extends WrittenEvent {
  readonly number: number;
  readonly key: string | null;
}

/** A row that is not published for now. */
export interface SetAside {
  readonly row: OutboxRow;
  readonly state: 'dead' | 'held';
  readonly reason: string;
}

/** Bytes of what is read at a time; the event that exceeds them is the last. */
export const READ_BYTES_MAX = 8_388_608;

/** A row as Postgres returns it. `number` is null where a statement returned no event. */
export interface RawRow {
  readonly number: string | null;
  readonly topic: string;
  readonly event_id: string;
  readonly key: string | null;
  readonly body: string;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

/** The columns of an event. */
export const COLUMNS = 'number, topic, event_id, key, body, traceparent, tracestate';

/** The first rows of a statement, by number, that have as many bytes as may be held. */
export function bounded(rows: string): string {
  return `SELECT * FROM (
  SELECT *, sum(octet_length(body)) OVER (ORDER BY number) - octet_length(body) AS bytes_before FROM (${rows}) AS next
) AS measured WHERE bytes_before < ${READ_BYTES_MAX}`;
}

/** @returns the event of a row that has one */
export function rowOf(raw: RawRow): OutboxRow {
  const { number, topic, event_id: eventId, key, body } = raw;
  // Who may add rows may write anything there, and a header must not end within it.
  const { traceparent, tracestate } = raw;
  const headers: Readonly<Record<string, string | null>> = { traceparent, tracestate };
  const trace = traceparent === null ? undefined : traceOf({ header: (name) => headers[name] ?? undefined });
  return { number: Number(number), topic, eventId, key, body, ...(trace !== undefined && { trace }) };
}

/** Rows that are set aside, as one parameter of a statement. */
export function asideText(aside: readonly SetAside[]): string {
  return JSON.stringify(
    aside.map(({ row: { number, topic, eventId, key, body, trace }, state, reason }) => {
      return { number, topic, event_id: eventId, key, body, ...trace, state, reason };
    }),
  );
}
