import type { OrderTables } from './order-tables.js';

/** The statements that keep the order of keys within the transaction of a batch. */
export interface OrderStatements {
  /**
   * Proves the lease, bounds the idle time of the transaction by $7 if nothing else does, and finds the messages of the
   * stream that are not for now: `parked` are known to be, and `behind` have a blocked key.
   */
  readonly enter: string;
  /** Proves the lease, and finds which of the parked messages are `open`: due, with the first of their key among them. */
  readonly enterParked: string;
  readonly park: string;
  /** Has a key wait: for a time, or without one for an operator. */
  readonly block: string;
  readonly remove: string;
  /**
   * Has keys begin with the first of their parked events. A key without any is not blocked any more. Only the holder of
   * the lease may do so, since a message may be parked behind the key meanwhile.
   */
  readonly advance: string;
}

const IDLE = 'idle_in_transaction_session_timeout';

/** An expression that bounds the idle time of a transaction whose connection has no such bound. @param ms a text, or null */
export function boundedIdle(ms: string): string {
  return `CASE WHEN ${ms} IS NOT NULL AND current_setting('${IDLE}') = '0' THEN set_config('${IDLE}', ${ms}, true) END`;
}

/** The row of `enter` and `enterParked`. Sequences are an array as text. */
export interface EnterRow {
  readonly fenced: boolean;
  readonly parked?: string | null;
  readonly behind?: string | null;
  readonly open?: string | null;
}

/** Writes the statements for the tables of one consumer. */
export function orderStatements({ lease, parked, blocked }: OrderTables): OrderStatements {
  const fence = `
WITH fence AS (
  UPDATE ${lease} SET until = GREATEST(until, clock_timestamp() + $2::float8 * interval '1 millisecond'),
    ended = CASE WHEN $3 THEN 0 ELSE ended END
  WHERE token = $1 RETURNING true
)
SELECT EXISTS (SELECT FROM fence) AS fenced,
  ${boundedIdle('$7::text')} AS idle`;
  const input = 'unnest($5::text[], $6::bigint[]) AS input (key, seq)';
  return {
    enter: `${fence},
  (SELECT array_agg(seq)::text FROM ${parked} WHERE stream_id = $4 AND seq = ANY($6::bigint[])) AS parked,
  (SELECT array_agg(input.seq)::text FROM ${input} JOIN ${blocked} blocked ON blocked.key = input.key
   WHERE (blocked.stream_id, blocked.seq) < ($4::integer, input.seq)) AS behind`,

    enterParked: `${fence},
  (SELECT array_agg(input.seq)::text FROM ${input}
   JOIN ${parked} parked ON parked.stream_id = $4 AND parked.seq = input.seq
   JOIN ${blocked} blocked ON blocked.key = input.key AND blocked.due_at <= now()
     AND blocked.stream_id = $4 AND blocked.seq = ANY($6::bigint[])) AS open`,

    park: `
INSERT INTO ${parked} (stream_id, seq, key, topic, event_id, subject, headers, body, deliveries, published_at)
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
  $9::integer[], $10::timestamptz[])
ON CONFLICT DO NOTHING`,

    block: `
INSERT INTO ${blocked} AS blocked (key, stream_id, seq, due_at, is_retry)
VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 millisecond', $4 IS NOT NULL)
ON CONFLICT (key) DO UPDATE SET stream_id = excluded.stream_id, seq = excluded.seq, due_at = excluded.due_at,
  is_retry = excluded.is_retry, blocked_at = now()
WHERE (blocked.stream_id, blocked.seq) >= (excluded.stream_id, excluded.seq)`,

    remove: `DELETE FROM ${parked} WHERE stream_id = $1 AND seq = ANY($2::bigint[])`,

    advance: `
WITH next AS MATERIALIZED (
  SELECT asked.key, head.stream_id, head.seq FROM unnest($1::text[]) AS asked (key)
  LEFT JOIN LATERAL (
    SELECT stream_id, seq FROM ${parked} parked WHERE parked.key = asked.key ORDER BY stream_id, seq LIMIT 1
  ) head ON true
), freed AS (
  DELETE FROM ${blocked} blocked USING next WHERE blocked.key = next.key AND next.seq IS NULL AND due_at IS NOT NULL
)
UPDATE ${blocked} blocked SET stream_id = next.stream_id, seq = next.seq, is_retry = false
FROM next WHERE blocked.key = next.key AND next.seq IS NOT NULL AND due_at IS NOT NULL
  AND (blocked.stream_id, blocked.seq) <> (next.stream_id, next.seq)`,
  };
}
