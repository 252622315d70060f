/**
 * Pages of events in the order of the stream. They neither skip nor repeat an event while others arrive.
 *
 * Transactions do not commit in the order of their sequences, so an event may appear below one that was already
 * returned. Therefore a page that others follow ends at the settled horizon, below which no event appears any more.
 * Such a page may be shorter than requested, or empty. A page that reaches the end is returned whole, with a position
 * from which to continue later (read-position.ts).
 *
 * Every page is a bounded walk along one index. No index has the order of the stream for some conditions: a time, a
 * source in addition to a topic, or a source in a day that is not closed (day-indexes.ts). They are tried on a bounded
 * number of rows. If too few of these match, the page is short, and the next one continues there.
 */
import type { StreamKey } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { coversTopic } from '#contracts';
import { PAGE_SORTED, PAGE_WALKED, pageBytes } from './event-page-statements.js';
import { storedEvent, type EventPosition, type EventRow, type StoredEvent } from './event-queries.js';
import { STORE_HORIZON } from './ledger.js';
import { positionAfter, rangesAbove, SEEN_RANGES_MAX } from './read-position.js';
import { sourceWalkEnd } from './source-walk.js';
import { topicsOf, topicWalkEnd } from './topic-walk.js';

/** The position before the first event. */
export const FIRST_POSITION: EventPosition = { streamId: 0, seq: 0 };

/** The conditions on events. A property that is left out does not restrict. */
export interface EventFilter {
  readonly topic?: string | undefined;
  /**
   * Topics, and prefixes that end in `.>`. A page reveals nothing about events of other topics, not even their
   * sequences.
   */
  readonly topics?: readonly string[] | undefined;
  readonly source?: string | undefined;
  /** The earliest `timestamp`, included, in UTC. */
  readonly since?: string | undefined;
  /** The latest `timestamp`, excluded, in UTC. */
  readonly until?: string | undefined;
}

/** A page of events. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** The next page begins after it. It is left out when this page reached the end of the stored events. */
  readonly next?: EventPosition;
  /** The position from which to continue, now or later; the same as `next` if that exists. */
  readonly end: EventPosition;
  /** Whether the page waits for a sequence to settle. The next page is empty as well if it is requested at once. */
  readonly isWaiting?: boolean;
}

/** Returns the consumer's ack floor in a stream, 0 when it is not known. */
export type AckFloor = (stream: StreamKey) => Promise<number>;

/** Bytes of one page, at most, because 10,000 large events would fill the memory. A single event may be larger. */
const PAGE_BYTES_MAX = 33_554_432;
/** Events that one statement prints, at most, because a stored number of a few bytes may have hundreds of digits. */
const PRINTED_MAX = 2_500;
/** Events in a span of time that are found by time and then sorted. If there are more, they are walked in order. */
const SORTED_MAX = 20_000;
/** Events that are tried for one page, at most, where only some of them match. */
const WALKED_MAX = 50_000;
/** How long such a walk is repeated while no event matches, in milliseconds. After that, the page is empty. */
const EMPTY_WALK_MS_MAX = 1_500;

/** The last sequence of a walk over $3 events of the stream; no row when the walk reaches the end. */
const WALK_END = `
SELECT max(seq)::float8 AS seq
FROM (SELECT seq FROM sekali.event WHERE stream_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) walked
HAVING count(*) = $3`;

// With this order, the planner uses the index of times, however many events it expects.
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

/** A query on one stream incarnation: the filter with the topics that it names. */
interface Question {
  readonly filter: EventFilter;
  /** `undefined` means all topics. */
  readonly topics: readonly string[] | undefined;
  readonly limit: number;
  readonly bytesMax: number;
}

/** The events that were found. `more` is the end of the walk, where others may follow. */
interface Found {
  readonly events: readonly StoredEvent[];
  readonly more?: number;
}

/**
 * Reads one page of events, in the order of stream incarnations and sequences.
 *
 * @param after the position after which the page begins
 * @param limit the number of events in the page, at most
 * @param ackFloor called only when the horizon has to be found; see `SettledHorizon.settled`
 * @param bytesMax the size of the page as `pageBytes` counts it, at most; a single event may be larger
 * @throws TooManyTopicsError when prefixes of the filter name more topics than can be read together
 */
export async function eventPage(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  limit: number,
  ackFloor: AckFloor,
  bytesMax = PAGE_BYTES_MAX,
): Promise<EventPage> {
  const topics = await topicsAsked(database, filter);
  if (topics?.length === 0) return { events: [], end: after };
  const question = { filter, topics, limit, bytesMax };
  const { rows: streams } = await database.query<StreamRow>(STREAMS, [after.streamId]);
  for (const [index, stream] of streams.entries()) {
    const from = stream.stream_id === after.streamId ? after : { streamId: stream.stream_id, seq: 0 };
    const following = streams[index + 1];
    if (following === undefined) return newestPage(database, question, from, () => ackFloor(stream));
    // An older incarnation does not change: its messages have left the brokers, or belong to a newer one.
    const { events, more } = await find(database, question, from);
    const next =
      more === undefined ? { streamId: following.stream_id, seq: 0 } : { streamId: from.streamId, seq: more };
    if (more !== undefined || events.length > 0) return { events, next, end: next };
  }
  return { events: [], end: after };
}

async function topicsAsked(
  database: Queryable,
  { topic, topics }: EventFilter,
): Promise<readonly string[] | undefined> {
  if (topic === undefined) return topics && topicsOf(database, topics);
  return topics === undefined || coversTopic(topics, topic) ? [topic] : [];
}

async function newestPage(
  database: Queryable,
  question: Question,
  after: EventPosition,
  ackFloor: () => Promise<number>,
): Promise<EventPage> {
  // The horizon is read before the events, so an event that commits in between is above it.
  const kept = await STORE_HORIZON.kept(database, after.streamId);
  const settled = await pageUpTo(kept, database, question, after);
  if (settled !== undefined) return settled;
  const horizon = await STORE_HORIZON.settled(database, after.streamId, await ackFloor());
  return cutAt(horizon, await find(database, question, after), after);
}

/** Returns the page if all its events are settled. If not, no event stays in memory while the horizon is found. */
async function pageUpTo(
  horizon: number,
  database: Queryable,
  question: Question,
  after: EventPosition,
): Promise<EventPage | undefined> {
  const found = await find(database, question, after);
  const { events, more } = found;
  if (events.length === 0 && more === undefined) return { events, end: after };
  const reached = more ?? events.at(-1)?.seq ?? after.seq;
  return reached <= horizon ? cutAt(horizon, found, after) : undefined;
}

/** Makes the found events a page. Those above the horizon are left to the next one, unless the page reaches the end. */
function cutAt(horizon: number, { events, more }: Found, after: EventPosition): EventPage {
  const { streamId } = after;
  const settled = events.filter(({ seq }) => seq <= horizon);
  if (more !== undefined && more <= horizon) {
    const next = withSeen({ streamId, seq: Math.max(after.seq, more) }, after);
    return { events, next, end: next };
  }
  if (more === undefined) {
    const end = positionAfter(after, seqsOf(events), horizon);
    if ((end.seen?.length ?? 0) <= SEEN_RANGES_MAX) return { events, end };
  }
  const next = positionAfter(after, seqsOf(settled), horizon);
  return { events: settled, next, end: next, isWaiting: settled.length === 0 };
}

function withSeen(position: EventPosition, { seen = [] }: EventPosition): EventPosition {
  const left = rangesAbove(position.seq, seen, []);
  return left.length === 0 ? position : { ...position, seen: left };
}

function seqsOf(events: readonly StoredEvent[]): number[] {
  return events.map(({ seq }) => seq);
}

/** Finds events of one stream incarnation, as it is at this moment. Empty walks are continued for a while. */
async function find(
  database: Queryable,
  question: Question,
  after: EventPosition,
  giveUpAt = Date.now() + EMPTY_WALK_MS_MAX,
): Promise<Found> {
  const { filter, topics, limit } = question;
  const inTime = filter.since !== undefined || filter.until !== undefined;
  const isNamed = topics !== undefined || filter.source !== undefined;
  const isFew = inTime && (await isFewInTime(database, filter));
  const isTried = inTime || (topics !== undefined && filter.source !== undefined);
  const walkedMax = isTried ? WALKED_MAX : limit + 1;
  const end =
    isFew || !(isTried || isNamed) ? undefined : await walkEnd(database, question, after, walkedMax);
  const statement = isFew || isNamed ? PAGE_SORTED : PAGE_WALKED;
  const { events, isCut } = await printedEvents(database, statement, question, after, end);
  const last = events.at(-1);
  if (last !== undefined && isCut) return { events, more: last.seq };
  if (end === undefined) return { events };
  return events.length === 0 && Date.now() < giveUpAt
    ? find(database, question, withSeen({ streamId: after.streamId, seq: end }, after), giveUpAt)
    : { events, more: end };
}

/** Reads up to `limit` events or `bytesMax` bytes, in several statements. `isCut` means that others follow. */
async function printedEvents(
  database: Queryable,
  statement: string,
  { filter, topics, limit, bytesMax }: Question,
  after: EventPosition,
  end: number | undefined,
): Promise<{ events: StoredEvent[]; isCut: boolean }> {
  const events: StoredEvent[] = [];
  const seen = after.seen?.map(([first, last]) => `[${first},${last}]`).join(',');
  let bytesLeft = bytesMax;
  for (;;) {
    const asked = Math.min(limit - events.length, PRINTED_MAX);
    const { rows } = await database.query<EventRow & { readonly found: number }>(statement, [
      after.streamId,
      events.at(-1)?.seq ?? after.seq,
      end ?? Number.MAX_SAFE_INTEGER,
      topics ?? null,
      filter.source ?? null,
      filter.since ?? null,
      filter.until ?? null,
      asked + 1,
      bytesLeft,
      events.length === 0,
      seen === undefined ? null : `{${seen}}`,
    ]);
    const taken = rows.slice(0, asked).map(storedEvent);
    const found = rows[0]?.found;
    // The previous statement found more events, so the next one has no room in the page.
    if (found === undefined) return { events, isCut: events.length > 0 };
    events.push(...taken);
    if (found === taken.length) return { events, isCut: false };
    bytesLeft -= pageBytes(taken);
    if (events.length === limit || bytesLeft <= 0) return { events, isCut: true };
  }
}

async function isFewInTime(database: Queryable, filter: EventFilter): Promise<boolean> {
  const values = [filter.since ?? null, filter.until ?? null, SORTED_MAX + 1];
  const { rows } = await database.query<{ found: number }>(COUNT_IN_TIME, values);
  return (rows[0]?.found ?? 0) <= SORTED_MAX;
}

/**
 * The last sequence of a walk along the topics, the source or the stream; `undefined` when the walk reaches the end.
 */
async function walkEnd(
  database: Queryable,
  { filter, topics }: Question,
  after: EventPosition,
  walkedMax: number,
): Promise<number | undefined> {
  if (topics !== undefined) return topicWalkEnd(database, topics, after, walkedMax);
  if (filter.source !== undefined)
    return sourceWalkEnd(database, filter.source, after, { ofSource: walkedMax, ofAny: WALKED_MAX });
  const values = [after.streamId, after.seq, walkedMax];
  const { rows } = await database.query<{ seq: number }>(WALK_END, values);
  return rows[0]?.seq;
}
