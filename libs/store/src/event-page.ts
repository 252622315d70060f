/**
 * Pages of events, in the order of the stream, that neither skip nor repeat while events arrive.
 *
 * Transactions do not commit in the order of their sequences: an event may appear below one that was already
 * returned. So a page that is followed by another ends at the settled horizon, below which nothing appears any
 * more, and may be shorter than asked for, or empty. A page that reached the end is returned whole.
 *
 * Every page is a bounded walk along one index, whatever is asked for. A condition that no index can follow in
 * the order of the stream (a time, a source beside a topic) is tried on a bounded number of rows; where that
 * finds too little, the page is short and the next one goes on from there.
 */
import {
  INSTANT_FORMAT,
  storedEvent,
  type EventPosition,
  type EventRow,
  type StoredEvent,
} from './event-queries.js';
import { keptHorizon, settledHorizon } from './horizon.js';
import type { Queryable } from './queryable.js';
import type { StreamKey } from './stream-registry.js';

/** Before the first event. */
export const FIRST_POSITION: EventPosition = { streamId: 0, seq: 0 };

/** Which events. What is left out does not restrict. */
export interface EventFilter {
  readonly topic?: string | undefined;
  readonly source?: string | undefined;
  /** Earliest `timestamp`, itself included; UTC. */
  readonly since?: string | undefined;
  /** Latest `timestamp`, itself excluded; UTC. */
  readonly until?: string | undefined;
}

/** A page of events. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** The next page begins after it; not there when this one reached the end of what is stored. */
  readonly next?: EventPosition;
  /** It waits for a sequence to settle: the next page will be empty too if it is asked for at once. */
  readonly isWaiting?: boolean;
}

/** Tells the consumer's ack floor in a stream, 0 when it is not known. */
export type AckFloor = (stream: StreamKey) => Promise<number>;

/** Bytes of payload in one page, at most (a single event may be more): 10,000 large events would fill the memory. */
const PAGE_BYTES_MAX = 33_554_432;
/** Bytes that one statement may have to print: Postgres prints a page before it knows how many bytes it is. */
const PRINTED_BYTES_MAX = 67_108_864;
/** Events that one statement prints: in a number of few bytes there may be some hundred digits. */
const PRINTED_MAX = 2_500;
/** Events in a span of time that are looked up by time and then put in order; more are walked in order. */
const SORTED_MAX = 20_000;
/** Events that are looked at for one page, at most, where only some of them are wanted. */
const WALKED_MAX = 50_000;
/** How long such a walk is repeated when it found none of them, before an empty page is given. */
const EMPTY_WALK_MS_MAX = 1_500;

// A parameter that is null is folded away when the statement is planned, so that each combination of conditions
// gets the plan of its own statement. One stream_id with `=`: over a row comparison the planner misjudges how
// much is left, and sorts the rest of the table for one page.
const CONDITIONS = `stream_id = $1 AND seq > $2 AND seq <= $3
      AND ($4::text IS NULL OR topic = $4)
      AND ($5::text IS NULL OR source = $5)
      AND ($6::timestamptz IS NULL OR "timestamp" >= $6)
      AND ($7::timestamptz IS NULL OR "timestamp" < $7)`;
const COLUMNS = `stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at`;

/** Along the index that has the order of the stream. */
const PAGE_WALKED = measuredPage(`
      SELECT ${COLUMNS} FROM sekali.event WHERE ${CONDITIONS}
      ORDER BY seq LIMIT $8`);

/** The few events that meet the conditions, put in order. OFFSET 0 has them planned without a look at the limit. */
const PAGE_SORTED = measuredPage(`
      SELECT * FROM (SELECT ${COLUMNS} FROM sekali.event WHERE ${CONDITIONS} OFFSET 0) few
      ORDER BY seq LIMIT $8`);

/**
 * Cut twice: by what may have to be printed, which is known from what is stored, so that large payloads beyond it are
 * not; and by what was printed, at $9 bytes. The first event of a page, for which $10 is true, is always in it.
 *
 * Compressed, a byte stands for up to 90 (pglz: 273 bytes in a match of 3) or 255 (lz4).
 */
function measuredPage(page: string): string {
  return `
SELECT stream_id, seq::float8 AS seq, topic, event_id, source, to_char("timestamp", ${INSTANT_FORMAT}) AS "timestamp",
  payload_text AS payload, to_char(published_at, ${INSTANT_FORMAT}) AS published_at,
  to_char(stored_at, ${INSTANT_FORMAT}) AS stored_at, found
FROM (
  SELECT *, sum(octet_length(payload_text)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS bytes
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
  ) printed
) measured
WHERE bytes <= $9 OR ($10 AND bytes = octet_length(payload_text))
ORDER BY measured.seq`;
}

/** How far a walk over so many events comes; null when it comes to the end. */
const WALK_END = `
SELECT max(seq)::float8 AS seq
FROM (
  SELECT seq FROM sekali.event
  WHERE stream_id = $1 AND seq > $2
    AND ($3::text IS NULL OR topic = $3)
    AND ($4::text IS NULL OR source = $4)
  ORDER BY seq LIMIT $5
) walked
HAVING count(*) = $5`;

// The order keeps the planner on the index of times, however many events it expects.
const COUNT_IN_TIME = `
SELECT count(*)::integer AS found
FROM (
  SELECT FROM sekali.event
  WHERE ($1::timestamptz IS NULL OR "timestamp" >= $1) AND ($2::timestamptz IS NULL OR "timestamp" < $2)
  ORDER BY "timestamp" LIMIT $3
) counted`;

const STREAMS = `SELECT stream_id, name, identity FROM sekali.stream WHERE stream_id >= $1 ORDER BY stream_id`;

interface StreamRow {
  readonly stream_id: number;
  readonly name: string;
  readonly identity: string;
}

/**
 * One page of events, by stream sequence.
 *
 * @param limit events in the page, at most
 * @param ackFloor asked only when the horizon has to be looked for; see `settledHorizon`
 */
export async function eventPage(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  limit: number,
  ackFloor: AckFloor,
): Promise<EventPage> {
  const { rows: streams } = await database.query<StreamRow>(STREAMS, [after.streamId]);
  for (const [index, stream] of streams.entries()) {
    const from = { streamId: stream.stream_id, seq: stream.stream_id === after.streamId ? after.seq : 0 };
    const following = streams[index + 1];
    if (following === undefined) return newestPage(database, filter, from, limit, () => ackFloor(stream));
    // An older incarnation is settled as it is: its messages are gone from the brokers, or are those of a newer one.
    const page = await readPage(database, filter, from, limit);
    if (page.next !== undefined) return page;
    if (page.events.length > 0) return { ...page, next: { streamId: following.stream_id, seq: 0 } };
  }
  return { events: [] };
}

async function newestPage(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  limit: number,
  ackFloor: () => Promise<number>,
): Promise<EventPage> {
  // The horizon is taken before the events: what commits in between is above it.
  const kept = await keptHorizon(database, after.streamId);
  const page = await readPage(database, filter, after, limit);
  if (page.next === undefined) return page;
  if (page.next.seq <= kept) return page;
  const horizon = await settledHorizon(database, after.streamId, await ackFloor());
  const later = await readPage(database, filter, after, limit);
  if (later.next === undefined || later.next.seq <= horizon) return later;
  return {
    events: later.events.filter((event) => event.seq <= horizon),
    next: { streamId: after.streamId, seq: Math.max(after.seq, horizon) },
    isWaiting: horizon <= after.seq,
  };
}

/** A page of one making of the stream, as it is at this moment. Goes on for a while before it comes back empty. */
async function readPage(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  limit: number,
  giveUpAt = Date.now() + EMPTY_WALK_MS_MAX,
): Promise<EventPage> {
  const inTime = filter.since !== undefined || filter.until !== undefined;
  const isNamed = filter.topic !== undefined || filter.source !== undefined;
  const isFew = inTime && (await isFewInTime(database, filter));
  const isTried = inTime || (filter.topic !== undefined && filter.source !== undefined);
  const walkedMax = isTried ? WALKED_MAX : limit + 1;
  const end = isFew || !(isTried || isNamed) ? undefined : await walkEnd(database, filter, after, walkedMax);
  const statement = isFew || isNamed ? PAGE_SORTED : PAGE_WALKED;
  const { events, isCut } = await printedEvents(database, statement, filter, after, end, limit);
  const last = events.at(-1);
  if (last !== undefined && isCut) return { events, next: { streamId: last.streamId, seq: last.seq } };
  if (end === undefined) return { events };
  const next = { streamId: after.streamId, seq: end };
  return events.length === 0 && Date.now() < giveUpAt
    ? readPage(database, filter, next, limit, giveUpAt)
    : { events, next };
}

/** Up to `limit` events, printed some at a time until there are as many, or as many bytes. `isCut`: there are more. */
async function printedEvents(
  database: Queryable,
  statement: string,
  filter: EventFilter,
  after: EventPosition,
  end: number | undefined,
  limit: number,
): Promise<{ events: StoredEvent[]; isCut: boolean }> {
  const events: StoredEvent[] = [];
  let bytesLeft = PAGE_BYTES_MAX;
  for (;;) {
    const asked = Math.min(limit - events.length, PRINTED_MAX);
    const { rows } = await database.query<EventRow & { readonly found: number }>(statement, [
      after.streamId,
      events.at(-1)?.seq ?? after.seq,
      end ?? Number.MAX_SAFE_INTEGER,
      filter.topic ?? null,
      filter.source ?? null,
      filter.since ?? null,
      filter.until ?? null,
      asked + 1,
      bytesLeft,
      events.length === 0,
    ]);
    const taken = rows.slice(0, asked).map(storedEvent);
    const found = rows[0]?.found;
    // Nothing, where the statement before found more: the next event has no room in the page.
    if (found === undefined) return { events, isCut: events.length > 0 };
    events.push(...taken);
    if (found === taken.length) return { events, isCut: false };
    bytesLeft -= taken.reduce((sum, event) => sum + Buffer.byteLength(event.payload), 0);
    if (events.length === limit || bytesLeft <= 0) return { events, isCut: true };
  }
}

async function isFewInTime(database: Queryable, filter: EventFilter): Promise<boolean> {
  const values = [filter.since ?? null, filter.until ?? null, SORTED_MAX + 1];
  const { rows } = await database.query<{ found: number }>(COUNT_IN_TIME, values);
  return (rows[0]?.found ?? 0) <= SORTED_MAX;
}

/** Where a walk along the topic, else the source, else the stream ends; `undefined` when nothing is beyond. */
async function walkEnd(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  walkedMax: number,
): Promise<number | undefined> {
  const { rows } = await database.query<{ seq: number }>(WALK_END, [
    after.streamId,
    after.seq,
    filter.topic ?? null,
    filter.topic === undefined ? (filter.source ?? null) : null,
    walkedMax,
  ]);
  return rows[0]?.seq;
}
