/** The statements of a page: which events, and no more of them than may be printed. */
import { instantText, type StoredEvent } from './event-queries.js';

/** Bytes that an event has in a page beside its own texts, about: names, times and its sequence. */
const FRAME_BYTES = 200;

/** Bytes that events take in a page, about. */
export function pageBytes(events: readonly StoredEvent[]): number {
  return events.reduce(
    (sum, { topic, eventId, source, payload }) =>
      sum +
      FRAME_BYTES +
      topic.length +
      Buffer.byteLength(eventId) +
      Buffer.byteLength(source) +
      Buffer.byteLength(payload),
    0,
  );
}

/** Bytes that one statement may have to print: Postgres prints a page before it knows how many bytes it is. */
const PRINTED_BYTES_MAX = 67_108_864;

// A parameter that is null is folded away when the statement is planned, so that each combination of conditions
// gets the plan of its own statement. One stream_id with `=`: over a row comparison the planner misjudges how
// much is left, and sorts the rest of the table for one page.
const CONDITIONS = `stream_id = $1 AND seq > $2 AND seq <= $3
      AND ($4::text[] IS NULL OR topic = ANY ($4))
      AND ($5::text IS NULL OR source = $5)
      AND ($6::timestamptz IS NULL OR "timestamp" >= $6)
      AND ($7::timestamptz IS NULL OR "timestamp" < $7)
      AND ($11::int8multirange IS NULL OR NOT seq <@ $11::int8multirange)`;
const COLUMNS = `stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at`;

/** Along the index that has the order of the stream. */
export const PAGE_WALKED = measuredPage(`
      SELECT ${COLUMNS} FROM sekali.event WHERE ${CONDITIONS}
      ORDER BY seq LIMIT $8`);

/** The few events that meet the conditions, put in order. OFFSET 0 has them planned without a look at the limit. */
export const PAGE_SORTED = measuredPage(`
      SELECT * FROM (SELECT ${COLUMNS} FROM sekali.event WHERE ${CONDITIONS} OFFSET 0) few
      ORDER BY seq LIMIT $8`);

/**
 * Cut twice: by what may have to be printed, which is known from what is stored, so that large payloads beyond it are
 * not; and by what was printed, at $9 bytes. The first event of a page, for which $10 is true, is always in it.
 *
 * OFFSET 0 has each payload printed once, although its text is used twice. Compressed, a byte stands for up to 90 (pglz: 273 bytes in a match of 3) or 255 (lz4).
 */
function measuredPage(page: string): string {
  return `
SELECT stream_id, seq::float8 AS seq, topic, event_id, source, ${instantText('"timestamp"')} AS "timestamp",
  payload_text AS payload, ${instantText('published_at')} AS published_at,
  ${instantText('stored_at')} AS stored_at, found
FROM (
  SELECT *, sum(own_bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS bytes
  FROM (
    SELECT *, ${FRAME_BYTES} + octet_length(topic) + octet_length(event_id) + octet_length(source)
      + octet_length(payload_text) AS own_bytes
    FROM (
      SELECT *, payload::text AS payload_text
      FROM (
        SELECT *, count(*) OVER ()::integer AS found, sum(bytes_max) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS most
        FROM (
          SELECT *, pg_column_size(payload)
            * CASE pg_column_compression(payload) WHEN 'pglz' THEN 90 WHEN 'lz4' THEN 255 ELSE 1 END AS bytes_max
          FROM (${page}
          ) page
        ) sized
      ) summed
      WHERE most <= ${PRINTED_BYTES_MAX} OR most = bytes_max
      OFFSET 0
    ) printed
  ) weighed
) measured
WHERE bytes <= $9 OR ($10 AND bytes = own_bytes)
ORDER BY measured.seq`;
}
