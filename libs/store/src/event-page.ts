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
import { readsPayloads, type EventFilter } from './event-filter.js';
import type { EventPosition, StoredEvent } from './event-queries.js';
import { STORE_HORIZON } from './ledger.js';
import { printedEvents } from './printed-events.js';
import { positionAfter, rangesAbove, SEEN_RANGES_MAX } from './read-position.js';
import { sourceWalkEnd } from './source-walk.js';
import { topicsAsked, topicWalkEnd } from './topic-walk.js';
import { walkedTo } from './walk-piece.js';
import type { EventPage } from './found-page.js';
import { walkedPage, walkedPastPage, type WalkedQuestion } from './walked-page.js';

/** The position before the first event. */
export const FIRST_POSITION: EventPosition = { streamId: 0, seq: 0 };

/** Returns the consumer's ack floor in a stream, 0 when it is not known. */
export type AckFloor = (stream: StreamKey) => Promise<number>;

/** Bytes of one page, at most, because 10,000 large events would fill the memory. A single event may be larger. */
const PAGE_BYTES_MAX = 33_554_432;
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

/** The incarnations of streams from $1 on, oldest first. */
export const STREAMS = `SELECT stream_id, name, identity FROM sekali.stream WHERE stream_id >= $1 ORDER BY stream_id`;

/** A row of `STREAMS`. */
export interface StreamRow {
  readonly stream_id: number;
  readonly name: string;
  readonly identity: string;
}

/** The events that were found. `more` is the end of the walk, where others may follow. */
interface Found {
  readonly events: readonly StoredEvent[];
  readonly more?: number;
  /** Whether the bound of the walk ended it, and not the size of the page. */
  readonly isPartial?: boolean;
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
  const isWalked = readsPayloads(filter);
  return pageFrom(database, { filter, limit, bytesMax, isWalked }, after, ackFloor);
}

/**
 * Reads one page, and tries each event for it, whatever the filter. So its end is behind all that were tried, and a
 * reader that follows reads none of them again.
 */
export async function followPage(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition,
  limit: number,
  ackFloor: AckFloor,
  bytesMax: number,
): Promise<EventPage> {
  return pageFrom(database, { filter, limit, bytesMax, isWalked: true }, after, ackFloor);
}

async function pageFrom(
  database: Queryable,
  { isWalked, ...asked }: Omit<WalkedQuestion, 'topics'> & { readonly isWalked: boolean },
  after: EventPosition,
  ackFloor: AckFloor,
): Promise<EventPage> {
  const topics = await topicsAsked(database, asked.filter);
  if (topics?.length === 0) return { events: [], end: after };
  const question = { ...asked, topics };
  const { rows: streams } = await database.query<StreamRow>(STREAMS, [after.streamId]);
  for (const [index, stream] of streams.entries()) {
    const from = stream.stream_id === after.streamId ? after : { streamId: stream.stream_id, seq: 0 };
    const following = streams[index + 1];
    if (following === undefined) {
      const readPage = isWalked ? walkedPage : presentPage;
      return readPage(database, question, from, () => ackFloor(stream));
    }
    // An older incarnation does not change: its messages have left the brokers, or belong to a newer one.
    const begins = { streamId: following.stream_id, seq: 0 };
    const page = isWalked
      ? await walkedPastPage(database, question, from, begins)
      : await pastPage(database, question, from, begins);
    if (page.events.length > 0 || page.next !== begins) return page;
  }
  return { events: [], end: after };
}

async function pastPage(
  database: Queryable,
  question: WalkedQuestion,
  after: EventPosition,
  following: EventPosition,
): Promise<EventPage> {
  const found = await find(database, question, after);
  const { events, more } = found;
  const next = more === undefined ? following : { streamId: after.streamId, seq: more };
  return withReached(database, found, { events, next, end: next });
}

/** Adds where the bound of the walk ended it. */
async function withReached(
  database: Queryable,
  { isPartial, more }: Found,
  page: EventPage,
): Promise<EventPage> {
  if (isPartial !== true || more === undefined || page.next?.seq !== more) return page;
  const reached = await walkedTo(database, page.next.streamId, more);
  return reached === undefined ? page : { ...page, reached };
}

async function presentPage(
  database: Queryable,
  question: WalkedQuestion,
  after: EventPosition,
  ackFloor: () => Promise<number>,
): Promise<EventPage> {
  // The horizon is read before the events, so an event that commits in between is above it.
  const kept = await STORE_HORIZON.kept(database, after.streamId);
  const settled = await pageUpTo(kept, database, question, after);
  if (settled !== undefined) return settled;
  const horizon = await STORE_HORIZON.settled(database, after.streamId, await ackFloor());
  const found = await find(database, question, after);
  return withReached(database, found, cutAt(horizon, found, after));
}

/** Returns the page if all its events are settled. If not, no event stays in memory while the horizon is found. */
async function pageUpTo(
  horizon: number,
  database: Queryable,
  question: WalkedQuestion,
  after: EventPosition,
): Promise<EventPage | undefined> {
  const found = await find(database, question, after);
  const { events, more } = found;
  if (events.length === 0 && more === undefined) return { events, end: after };
  const reached = more ?? events.at(-1)?.seq ?? after.seq;
  return reached <= horizon ? withReached(database, found, cutAt(horizon, found, after)) : undefined;
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
  question: WalkedQuestion,
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
  const { events, isCut } = await printedEvents(database, {
    ...question,
    ...{ streamId: after.streamId, after: after.seq, upTo: end, seen: after.seen },
    order: 'oldest',
    isSorted: isFew || isNamed,
  });
  const last = events.at(-1);
  if (last !== undefined && isCut) return { events, more: last.seq };
  if (end === undefined) return { events };
  return events.length === 0 && Date.now() < giveUpAt
    ? find(database, question, withSeen({ streamId: after.streamId, seq: end }, after), giveUpAt)
    : { events, more: end, isPartial: events.length < limit };
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
  { filter, topics }: WalkedQuestion,
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
