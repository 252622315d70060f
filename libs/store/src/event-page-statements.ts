/** The statements that read a page. They bound the bytes that Postgres prints. */
import { instantText, type StoredEvent } from './event-queries.js';

/** The approximate bytes of an event in a page, without its own texts: names, times and the sequence. */
const FRAME_BYTES = 200;

/** The approximate size of events in a page, in bytes. */
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

/** The bytes that one statement may print, at most. Postgres prints a page before it knows its size. */
const PRINTED_BYTES_MAX = 67_108_864;

// Null parameters are folded away when the statement is planned, so each combination of conditions has its own plan.
// There is one stream_id with `=`. With a row comparison, the planner misjudges how many rows are left, and sorts the
// rest of the table for one page.
const CONDITIONS = `stream_id = $1 AND seq > $2 AND seq <= $3
      AND ($4::text[] IS NULL OR topic = ANY ($4))
      AND ($5::text IS NULL OR source = $5)
      AND ($6::timestamptz IS NULL OR "timestamp" >= $6)
      AND ($7::timestamptz IS NULL OR "timestamp" < $7)
      AND ($11::int8multirange IS NULL OR NOT seq <@ $11::int8multirange)`;
const COLUMNS = `stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at`;

/** The order of a page. */
export type PageOrder = 'oldest' | 'newest';

const DIRECTION: Readonly<Record<PageOrder, string>> = { oldest: '', newest: ' DESC' };

/**
 * Writes the statement of a page.
 *
 * @param isSorted whether the few events that meet the conditions are found first, and then sorted. Otherwise the
 *   statement walks along the index that has the order of the stream
 * @param more further conditions, see `payloadCondition`
 */
export function pageStatement(order: PageOrder, isSorted: boolean, more = ''): string {
  const events = `SELECT ${COLUMNS} FROM sekali.event WHERE ${CONDITIONS}${more}`;
  const place = `seq${DIRECTION[order]}`;
  return measuredPage(
    // With OFFSET 0, the planner ignores the limit.
    `
      ${isSorted ? `SELECT * FROM (${events} OFFSET 0) few` : events}
      ORDER BY ${place} LIMIT $8`,
    place,
  );
}

/**
 * Cuts a page twice. The first cut is by the bytes that may have to be printed, which follow from the stored size. So
 * large payloads beyond it are not printed. The second cut is by the printed bytes, at $9. The first event of a page is
 * always in it; $10 is true for it.
 *
 * With OFFSET 0, each payload is printed once, although its text is used twice. A compressed byte stands for up to 90
 * bytes (pglz: 273 bytes in a match of 3) or 255 (lz4).
 */
function measuredPage(page: string, place: string): string {
  return `
SELECT stream_id, seq::float8 AS seq, topic, event_id, source, ${instantText('"timestamp"')} AS "timestamp",
  payload_text AS payload, ${instantText('published_at')} AS published_at,
  ${instantText('stored_at')} AS stored_at, found
FROM (
  SELECT *, sum(own_bytes) OVER (ORDER BY ${place} ROWS UNBOUNDED PRECEDING) AS bytes
  FROM (
    SELECT *, ${FRAME_BYTES} + octet_length(topic) + octet_length(event_id) + octet_length(source)
      + octet_length(payload_text) AS own_bytes
    FROM (
      SELECT *, payload::text AS payload_text
      FROM (
        SELECT *, count(*) OVER ()::integer AS found, sum(bytes_max) OVER (ORDER BY ${place} ROWS UNBOUNDED PRECEDING) AS most
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
ORDER BY measured.${place}`;
}
