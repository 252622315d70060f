/**
 * A walk over events one by one, in either direction, for conditions that no index has.
 *
 *   piece ─▶ events of it that match ─▶ next piece … ─▶ page full, end reached, or time over
 *
 * Where closed days have an index, it names the events that may match, once a walk has tried some without filling the
 * page (indexed-stretches.ts).
 *
 * The size of a piece follows from the time that the one before took: payloads of 256 KiB take a thousand times as long
 * as small ones. So a walk ends soon after its time is over, whatever it meets.
 */
import { EVENT_BYTES_MAX } from '#contracts';
import type { Queryable } from '#postgres';
import { indexedCondition, type EventFilter } from './event-filter.js';
import { pageBytes, type PageOrder } from './event-page-statements.js';
import type { SequenceRange, StoredEvent } from './event-queries.js';
import { IndexedStretches, type Stretch } from './indexed-stretches.js';
import { printedEvents, type PrintedRange } from './printed-events.js';
import { walkPiece } from './walk-piece.js';

/** What is inspected for, and for how long. */
export interface Walk {
  readonly streamId: number;
  readonly filter: EventFilter;
  /** The topics that the filter names; `undefined` means all. */
  readonly topics: readonly string[] | undefined;
  readonly order: PageOrder;
  /** The walk begins behind this sequence, in its order. */
  readonly from: number;
  /** Nothing above this sequence is inspected. */
  readonly upTo?: number | undefined;
  /** Sequences that are left out. */
  readonly seen?: readonly SequenceRange[] | undefined;
  readonly limit: number;
  readonly bytesMax: number;
  /** Whether each event has to be tried. Otherwise the topics choose them, and one piece is enough. */
  readonly isTried: boolean;
  /** When the walk should end, by `performance.now()`. One that has found nothing may take some more time. */
  readonly untilMs: number;
}

/** What a walk found. */
export interface Walked {
  readonly events: readonly StoredEvent[];
  /** How many events were inspected, without those that an index chose. */
  readonly inspected: number;
  /** Behind it, others may follow; `undefined` when the walk reached the end. */
  readonly more?: number;
  /** Whether the time ended it. */
  readonly isPartial: boolean;
}

/** The first piece knows no time, and payloads may be large. */
const FIRST_PIECE = 200;
const PIECE_MAX = 50_000;
const PIECE_MIN = 100;
const PIECE_MS = 50;
/** A walk that found nothing goes on for this long, because an empty page helps no one. */
const EMPTY_MS_MORE = 700;
/** A page with less room than this in bytes ends: the next event may be large. */
export const WALK_ROOM_MIN = 2 * EVENT_BYTES_MAX;

/** Walks, and returns the events that match. */
export async function walkEvents(database: Queryable, walk: Walk): Promise<Walked> {
  const { streamId, topics, order, limit, isTried } = walk;
  const events: StoredEvent[] = [];
  let [at, inspected, bytesLeft] = [walk.from, 0, walk.bytesMax];
  let size = isTried ? FIRST_PIECE : Math.min(limit + 1, PIECE_MAX);
  const beganMs = performance.now();
  const stretches = stretchesOf(database, walk);
  for (;;) {
    const startedMs = performance.now();
    const stretch = await stretches?.next(at, inspected, startedMs - beganMs);
    const place = { streamId, topics, order, from: at, upTo: walk.upTo };
    const triedMax = stretches?.triedMax(inspected) ?? PIECE_MAX;
    const piece = stretch ?? (await walkPiece(database, place, Math.min(size, triedMax)));
    if (piece.last === undefined) return { events, inspected, isPartial: false };
    const found = await matching(database, walk, stretch, {
      ...rangeOf(order, at, piece.isEnd ? undefined : (stretch?.end ?? piece.last), walk.upTo),
      limit: limit - events.length,
      bytesMax: bytesLeft,
    });
    events.push(...found.events);
    inspected += piece.inspected;
    bytesLeft -= pageBytes(found.events);
    const last = found.events.at(-1);
    if (last !== undefined && found.isCut) return { events, inspected, more: last.seq, isPartial: false };
    if (piece.isEnd) return { events, inspected, isPartial: false };
    at = piece.last;
    if (events.length === limit || (events.length > 0 && bytesLeft < WALK_ROOM_MIN))
      return { events, inspected, more: at, isPartial: false };
    const nowMs = performance.now();
    if (nowMs >= walk.untilMs + (events.length === 0 ? EMPTY_MS_MORE : 0))
      return { events, inspected, more: at, isPartial: true };
    // A few late events may be all that is between two stretches.
    size = stretch === undefined ? nextSize(size, nowMs - startedMs) : FIRST_PIECE;
  }
}

function stretchesOf(database: Queryable, walk: Walk): IndexedStretches | undefined {
  const condition = indexedCondition(walk.filter, IndexedStretches.FIRST);
  return condition && new IndexedStretches(database, walk, condition);
}

/** The events of a piece that match. */
async function matching(
  database: Queryable,
  { streamId, filter, topics, order, seen }: Walk,
  stretch: Stretch | undefined,
  range: Pick<PrintedRange, 'after' | 'upTo' | 'limit' | 'bytesMax'>,
): Promise<{ readonly events: readonly StoredEvent[]; readonly isCut: boolean }> {
  if (stretch?.seqs.length === 0) return { events: [], isCut: false };
  const question = { streamId, filter, topics, order, seen, among: stretch };
  // Few sequences are read in their order.
  return printedEvents(database, { ...question, ...range, isSorted: stretch === undefined });
}

/** The range of a piece. The last one has no end, so that it has what was committed meanwhile, too. */
function rangeOf(
  order: PageOrder,
  from: number,
  last: number | undefined,
  upTo: number | undefined,
): { after: number; upTo: number | undefined } {
  if (order === 'oldest') return { after: from, upTo: last ?? upTo };
  return { after: last === undefined ? -1 : last - 1, upTo: Math.min(from - 1, upTo ?? Infinity) };
}

function nextSize(size: number, tookMs: number): number {
  const factor = Math.min(4, Math.max(0.1, PIECE_MS / Math.max(tookMs, 1)));
  return Math.round(Math.min(PIECE_MAX, Math.max(PIECE_MIN, size * factor)));
}
