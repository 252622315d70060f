/**
 * A page in the order of the stream whose events were tried one by one. It says where it ended, so that the next one
 * inspects none of them again, also where nothing matched.
 *
 *   after ── settled by the kept horizon ──▶ kept ── settled by now, and what is above ──▶ end
 *
 * The horizon is read before the events above the kept one. What commits in between is above it, and is either in the
 * page and in its position, or in a later page.
 */
import type { Queryable } from '#postgres';
import type { EventPage } from './found-page.js';
import type { EventFilter } from './event-filter.js';
import { pageBytes } from './event-page-statements.js';
import type { EventPosition } from './event-queries.js';
import { walkEvents, WALK_ROOM_MIN, type Walk, type Walked } from './event-walk.js';
import { STORE_HORIZON } from './ledger.js';
import { positionAfter, rangesAbove, SEEN_RANGES_MAX } from './read-position.js';
import { walkedTo, walkPiece } from './walk-piece.js';

/** How long a page walks, in milliseconds. */
export const WALK_MS_MAX = 250;

/** What is inspected for in one stream incarnation. */
export interface WalkedQuestion {
  readonly filter: EventFilter;
  /** The topics that the filter names; `undefined` means all. */
  readonly topics: readonly string[] | undefined;
  readonly limit: number;
  readonly bytesMax: number;
}

/** A page of an older incarnation, in which no event appears any more. */
export async function walkedPastPage(
  database: Queryable,
  question: WalkedQuestion,
  after: EventPosition,
  following: EventPosition,
): Promise<EventPage> {
  const walked = await walkEvents(database, walkOf(question, after));
  const next = walked.more === undefined ? following : { streamId: after.streamId, seq: walked.more };
  return pageOf(database, after.streamId, walked, { next, end: next });
}

/** A page of the newest incarnation. */
export async function walkedPage(
  database: Queryable,
  question: WalkedQuestion,
  after: EventPosition,
  ackFloor: () => Promise<number>,
): Promise<EventPage> {
  const { streamId } = after;
  const kept = await STORE_HORIZON.kept(database, streamId);
  const walk = walkOf(question, after);
  const below = after.seq < kept ? await walkEvents(database, { ...walk, upTo: kept }) : NOTHING;
  if (below.more !== undefined) {
    const next = withSeen({ streamId, seq: below.more }, after);
    return pageOf(database, streamId, below, { next, end: next });
  }
  const bytesLeft = question.bytesMax - pageBytes(below.events);
  const last = below.events.at(-1);
  if (last !== undefined && (below.events.length === question.limit || bytesLeft < WALK_ROOM_MIN)) {
    const next = withSeen({ streamId, seq: last.seq }, after);
    return pageOf(database, streamId, below, { next, end: next });
  }
  const horizon = await STORE_HORIZON.settled(database, streamId, await ackFloor());
  const above = await walkEvents(database, {
    ...walk,
    from: Math.max(after.seq, kept),
    limit: question.limit - below.events.length,
    bytesMax: bytesLeft,
  });
  const inspected = below.inspected + above.inspected;
  const walked = { ...above, inspected, events: [...below.events, ...above.events] };
  if (walked.more !== undefined && walked.more <= horizon) {
    const next = withSeen({ streamId, seq: walked.more }, after);
    return pageOf(database, streamId, walked, { next, end: next });
  }
  const place = { streamId, topics: question.topics, order: 'newest', from: horizon + 1 } as const;
  const top = await walkPiece(database, place, 1);
  return aboveHorizon(database, walked, { ...after, seq: Math.max(after.seq, top.last ?? 0) }, horizon);
}

/**
 * Makes a page of what was found up to the end, or up to somewhere above the horizon.
 *
 * @param settled the position behind all settled events that were inspected
 */
async function aboveHorizon(
  database: Queryable,
  walked: Walked,
  settled: EventPosition,
  horizon: number,
): Promise<EventPage> {
  const { streamId } = settled;
  const end = positionAfter(
    settled,
    walked.events.map(({ seq }) => seq),
    horizon,
  );
  if (walked.more === undefined && (end.seen?.length ?? 0) <= SEEN_RANGES_MAX)
    return pageOf(database, streamId, walked, { end });
  const events = walked.events.filter(({ seq }) => seq <= horizon);
  const next = positionAfter(
    settled,
    events.map(({ seq }) => seq),
    horizon,
  );
  const isWaiting = events.length === 0;
  return pageOf(database, streamId, { ...walked, events }, { next, end: next, isWaiting });
}

const NOTHING: Walked = { events: [], inspected: 0, isPartial: false };

function walkOf({ filter, topics, limit, bytesMax }: WalkedQuestion, after: EventPosition): Walk {
  const untilMs = performance.now() + WALK_MS_MAX;
  const from = { streamId: after.streamId, from: after.seq, seen: after.seen };
  return { ...from, filter, topics, order: 'oldest', limit, bytesMax, isTried: true, untilMs };
}

async function pageOf(
  database: Queryable,
  streamId: number,
  { events, inspected, more, isPartial }: Walked,
  place: Pick<EventPage, 'end' | 'next' | 'isWaiting'>,
): Promise<EventPage> {
  const reached = isPartial && more !== undefined ? await walkedTo(database, streamId, more) : undefined;
  return { events, inspected, ...place, ...(reached !== undefined && { reached }) };
}

function withSeen(position: EventPosition, { seen = [] }: EventPosition): EventPosition {
  const left = rangesAbove(position.seq, seen, []);
  return left.length === 0 ? position : { ...position, seen: left };
}
