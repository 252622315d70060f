/**
 * Pages of events, in the order of the stream, that neither skip nor repeat while events arrive.
 *
 * Transactions do not commit in the order of their sequences: an event may appear below one that was already
 * returned. So a page that is followed by another ends at the settled horizon, below which nothing appears any
 * more, and may be shorter than asked for, or empty. A page that reached the end is returned whole, with a position
 * from which to go on later (read-position.ts).
 *
 * Every page is a bounded walk along one index, whatever is asked for. A condition that no index can follow in
 * the order of the stream (a time, a source beside a topic) is tried on a bounded number of rows; where that
 * finds too little, the page is short and the next one goes on from there.
 */
import type { StreamKey } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { coversTopic } from '#contracts';
import { PAGE_SORTED, PAGE_WALKED, pageBytes } from './event-page-statements.js';
import { storedEvent, type EventPosition, type EventRow, type StoredEvent } from './event-queries.js';
import { keptHorizon, settledHorizon } from './horizon.js';
import { positionAfter, rangesAbove, SEEN_RANGES_MAX } from './read-position.js';
import { topicsOf, topicWalkEnd } from './topic-walk.js';

/** Before the first event. */
export const FIRST_POSITION: EventPosition = { streamId: 0, seq: 0 };

/** Which events. What is left out does not restrict. */
export interface EventFilter {
  readonly topic?: string | undefined;
  /** Topics, and prefixes that end in `.>`: nothing is told of events of other topics, not even where they are. */
  readonly topics?: readonly string[] | undefined;
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
  /** Where to go on, now or later: `next` if there is one. */
  readonly end: EventPosition;
  /** It waits for a sequence to settle: the next page will be empty too if it is asked for at once. */
  readonly isWaiting?: boolean;
}

/** Tells the consumer's ack floor in a stream, 0 when it is not known. */
export type AckFloor = (stream: StreamKey) => Promise<number>;

/** Bytes of one page, at most (a single event may be more): 10,000 large events would fill the memory. */
const PAGE_BYTES_MAX = 33_554_432;
/** Events that one statement prints: in a number of few bytes there may be some hundred digits. */
const PRINTED_MAX = 2_500;
/** Events in a span of time that are looked up by time and then put in order; more are walked in order. */
const SORTED_MAX = 20_000;
/** Events that are looked at for one page, at most, where only some of them are wanted. */
const WALKED_MAX = 50_000;
/** How long such a walk is repeated when it found none of them, before an empty page is given. */
const EMPTY_WALK_MS_MAX = 1_500;

/** How far a walk along the source, else the stream, comes over so many events; null when it comes to the end. */
const WALK_END = `
SELECT max(seq)::float8 AS seq
FROM (
  SELECT seq FROM sekali.event
  WHERE stream_id = $1 AND seq > $2 AND ($3::text IS NULL OR source = $3)
  ORDER BY seq LIMIT $4
) walked
HAVING count(*) = $4`;

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

/** What is asked of one incarnation of the stream: the filter, its topics found. */
interface Question {
  readonly filter: EventFilter;
  /** `undefined` is all of them. */
  readonly topics: readonly string[] | undefined;
  readonly limit: number;
  readonly bytesMax: number;
}

/** What was found: how far the walk came, where more is beyond it. */
interface Found {
  readonly events: readonly StoredEvent[];
  readonly more?: number;
}

/**
 * One page of events, by stream sequence.
 *
 * @param limit events in the page, at most
 * @param ackFloor asked only when the horizon has to be looked for; see `settledHorizon`
 * @param bytesMax see `pageBytes`; one event may be more
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
    // An older incarnation is settled as it is: its messages are gone from the brokers, or are those of a newer one.
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
  // The horizon is taken before the events: what commits in between is above it.
  const kept = await keptHorizon(database, after.streamId);
  const settled = await pageUpTo(kept, database, question, after);
  if (settled !== undefined) return settled;
  const horizon = await settledHorizon(database, after.streamId, await ackFloor());
  return cutAt(horizon, await find(database, question, after), after);
}

/** The page, if all that was found is settled. If not, nothing of it is held while the horizon is looked for. */
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

/** A page of what was found. What is above the horizon is left for the next one, unless nothing is beyond it. */
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

/** What one incarnation of the stream has, as it is at this moment. Goes on for a while before it comes back empty. */
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

/** Up to `limit` events, printed some at a time until there are as many, or as many bytes. `isCut`: there are more. */
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
    // Nothing, where the statement before found more: the next event has no room in the page.
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

/** Where a walk along the topics, else the source, else the stream ends; `undefined` when nothing is beyond. */
async function walkEnd(
  database: Queryable,
  { filter, topics }: Question,
  after: EventPosition,
  walkedMax: number,
): Promise<number | undefined> {
  if (topics !== undefined) return topicWalkEnd(database, topics, after, walkedMax);
  const values = [after.streamId, after.seq, filter.source ?? null, walkedMax];
  const { rows } = await database.query<{ seq: number }>(WALK_END, values);
  return rows[0]?.seq;
}
