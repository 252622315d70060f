/**
 * A page of events, newest first, with the position from which to follow what is newer.
 *
 *   older ◀── pages ── first page │ followed later ──▶ newer
 *
 * Sequences only fall from page to page, so no page repeats an event of another. The first page begins with the newest
 * event, although transactions do not commit in the order of their sequences. What commits below it later belongs to
 * those who follow: their position is the settled horizon, with the events above it that the page has.
 *
 * Above the horizon the two overlap. An older page also has what those who follow are given: events above the horizon
 * that the first page did not reach, or that committed after it. The first page itself is given again where its events
 * above the horizon are more ranges than a position has. Who shows both in one list leaves out what it has.
 */
import type { Queryable } from '#postgres';
import { readsPayloads, type EventFilter } from './event-filter.js';
import { STREAMS, type AckFloor, type StreamRow } from './event-page.js';
import { walkEvents } from './event-walk.js';
import type { EventPage } from './found-page.js';
import type { EventPosition, StoredEvent } from './event-queries.js';
import { STORE_HORIZON } from './ledger.js';
import { positionAfter, SEEN_RANGES_MAX } from './read-position.js';
import { topicsAsked } from './topic-walk.js';
import { walkedTo, walkPiece } from './walk-piece.js';
import { WALK_MS_MAX } from './walked-page.js';

/** A page, newest first. */
export interface NewestPage extends Pick<EventPage, 'events' | 'inspected' | 'reached'> {
  /** The next page has the events before this place; left out when there are none. */
  readonly next?: EventPosition;
  /** From where `eventPage` finds what is newer than this page. Only the first page has it. */
  readonly newer?: EventPosition;
}

/** How large a page may be, and where it begins. */
export interface NewestPageOptions {
  /** The page begins before this place; without it, with the newest event. */
  readonly before?: EventPosition | undefined;
  readonly limit: number;
  readonly bytesMax: number;
}

/**
 * Reads a page, newest event first.
 *
 * @throws TooManyTopicsError when patterns of the filter name more topics than can be read together
 */
export async function newestPage(
  database: Queryable,
  filter: EventFilter,
  { before, limit, bytesMax }: NewestPageOptions,
  ackFloor: AckFloor,
): Promise<NewestPage> {
  const topics = await topicsAsked(database, filter);
  const { rows } = await database.query<StreamRow>(STREAMS, [0]);
  const streams = rows.filter(({ stream_id: id }) => id <= (before?.streamId ?? id)).reverse();
  const [newest] = streams;
  if (newest === undefined) return { events: [], inspected: 0 };
  const streamId = newest.stream_id;
  const follow = before === undefined && (await horizonOf(database, newest, ackFloor));
  if (topics?.length === 0)
    return { events: [], inspected: 0, ...(follow !== false && { newer: { streamId, seq: 0 } }) };
  const isTried =
    readsPayloads(filter) ||
    filter.source !== undefined ||
    filter.since !== undefined ||
    filter.until !== undefined;
  const untilMs = performance.now() + WALK_MS_MAX;
  let inspected = 0;
  for (const [index, { stream_id: id }] of streams.entries()) {
    const from = id === before?.streamId ? before.seq : Number.MAX_SAFE_INTEGER;
    const walked = await walkEvents(database, {
      ...{ streamId: id, filter, topics, order: 'newest', from, limit, bytesMax, isTried, untilMs },
    });
    inspected += walked.inspected;
    const older = streams[index + 1];
    const next =
      walked.more !== undefined
        ? { streamId: id, seq: walked.more }
        : older && { streamId: older.stream_id, seq: Number.MAX_SAFE_INTEGER };
    if (walked.events.length === 0 && walked.more === undefined && older !== undefined) continue;
    const reached = walked.isPartial && (await walkedTo(database, id, walked.more ?? 0));
    return {
      events: walked.events,
      inspected,
      ...(next !== undefined && { next }),
      ...(reached && { reached }),
      ...(follow !== false && { newer: await newerThan(database, topics, walked.events, streamId, follow) }),
    };
  }
  return { events: [], inspected };
}

/**
 * Returns the position behind all events that are settled now.
 *
 * @throws TooManyTopicsError when patterns of the filter name too many topics
 */
export async function newestPosition(
  database: Queryable,
  filter: EventFilter,
  ackFloor: AckFloor,
): Promise<EventPosition> {
  const topics = await topicsAsked(database, filter);
  const { rows } = await database.query<StreamRow>(STREAMS, [0]);
  const newest = rows.at(-1);
  if (newest === undefined) return { streamId: 0, seq: 0 };
  const horizon = await horizonOf(database, newest, ackFloor);
  return newerThan(database, topics, [], newest.stream_id, horizon);
}

async function horizonOf(database: Queryable, stream: StreamRow, ackFloor: AckFloor): Promise<number> {
  return STORE_HORIZON.settled(database, stream.stream_id, await ackFloor(stream));
}

/** A position has the sequence of an event of the topics, so that it says nothing about others. */
async function newerThan(
  database: Queryable,
  topics: readonly string[] | undefined,
  events: readonly StoredEvent[],
  streamId: number,
  horizon: number,
): Promise<EventPosition> {
  if (topics?.length === 0) return { streamId, seq: 0 };
  const { last = 0 } = await walkPiece(database, { streamId, topics, order: 'newest', from: horizon + 1 }, 1);
  const read = events.filter((event) => event.streamId === streamId).map(({ seq }) => seq);
  const position = positionAfter({ streamId, seq: last }, read.reverse(), horizon);
  return (position.seen?.length ?? 0) <= SEEN_RANGES_MAX ? position : { streamId, seq: last };
}
