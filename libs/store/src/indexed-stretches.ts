/**
 * Stretches of a walk in which an index names the events that may match, instead of one event after the other.
 *
 *   at ── every event was stored in one of some indexed days ──▶ end │ an event that was stored elsewhere
 *
 * A walk follows sequences, and days hold events by when they were stored. Redeliveries are stored late, so the
 * sequences of two days overlap. A stretch therefore ends before the first event that was stored outside of its days.
 *
 * What most events meet is not worth an index: a walk has found a page of it sooner. So an index is asked for a bounded
 * number of events. Where it has more, they are tried one by one.
 *
 * That number follows from what an event took so far: a payload of 256 KiB takes a thousand times as long as a small one.
 * But an index of trigrams may name many events that do not match, and those are not counted. So a question that takes
 * too long is given up, and means the same as too many.
 */
import { queryBounded, type Queryable } from '#postgres';
import type { Condition, EventFilter, IndexedCondition } from './event-filter.js';
import type { PageOrder } from './event-page-statements.js';
import { outsideOf, spanCondition, type StoredSpan } from './stored-span.js';
import { walkPiece, type WalkPiece } from './walk-piece.js';

/** A part of a walk, with the events of it that may match. */
export interface Stretch extends WalkPiece {
  readonly last: number;
  /** The sequence up to which it reaches, in the order of the walk. It may be that of another topic's event. */
  readonly end: number;
  /** Ascending. */
  readonly seqs: readonly number[];
  /** When they were stored. */
  readonly spans: readonly StoredSpan[];
}

/** What is walked, and for what. */
export interface StretchedWalk {
  readonly streamId: number;
  readonly filter: EventFilter;
  readonly topics: readonly string[] | undefined;
  readonly order: PageOrder;
  readonly upTo?: number | undefined;
}

/** A day with the index. */
interface IndexedDay {
  readonly since: string;
  readonly until: string;
  readonly since_ms: number;
  readonly until_ms: number;
}

/** Events that an index may name in one stretch, at most. Small ones take about 50 ms. */
const NAMED_MAX = 20_000;
/** They may take as long as trying events for this time. */
const NAMED_MS = 200;
/** A question of an index is given up after this time. A page, which began with other work, has less than ten seconds. */
const QUESTION_MS_MAX = 1_000;
/** A shorter stretch is walked as fast. */
const SEQUENCES_MIN = 5_000;
/** Events that are tried before an index is asked, because what many events meet fills a page sooner. */
const TRIED_FIRST = 10_000;
/** Large payloads take longer. */
const TRIED_FIRST_MS = 100;
/** Events that are tried where no stretch was found. They double each time, since a few late ones may be all. */
const TRIED_BETWEEN = 1_000;
const DAYS_MAX = 64;
/** A stretch that takes longer has fewer days after it. */
const STRETCH_MS = 50;

const INDEXED_DAYS = `
SELECT bounds[1] AS since, bounds[2] AS until, 1000 * extract(epoch FROM bounds[1]::timestamptz)::float8 AS since_ms,
  1000 * extract(epoch FROM bounds[2]::timestamptz)::float8 AS until_ms
FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
CROSS JOIN LATERAL regexp_match(pg_get_expr(relpartbound, part.oid), 'FROM \\(''(.+)''\\) TO \\(''(.+)''\\)') AS bounds
JOIN pg_index ON indrelid = part.oid AND indisvalid
JOIN pg_class built ON built.oid = indexrelid AND built.relname = part.relname || $1::text
WHERE inhparent = 'sekali.event'::regclass
ORDER BY since_ms`;

const STORED_MS = `
SELECT 1000 * extract(epoch FROM stored_at)::float8 AS stored_ms FROM sekali.event WHERE stream_id = $1 AND seq = $2 LIMIT 1`;

const OUTSIDE: Readonly<Record<PageOrder, (spans: string) => string>> = {
  oldest: (spans) =>
    `SELECT seq::float8 AS seq FROM sekali.event WHERE stream_id = $1 AND seq > $2 AND ${spans} ORDER BY seq LIMIT 1`,
  newest: (spans) =>
    `SELECT seq::float8 AS seq FROM sekali.event WHERE stream_id = $1 AND seq < $2 AND ${spans} ORDER BY seq DESC LIMIT 1`,
};

/**
 * The first part is planned for all its rows, and ends after $8 of them. The other conditions come after it, since none
 * of them may lead the planner away from the index.
 */
const named = (spans: string, condition: string): string => `
WITH indexed AS MATERIALIZED (
  SELECT stream_id, seq, topic, source, "timestamp" FROM sekali.event WHERE ${spans}${condition}
), few AS MATERIALIZED (
  SELECT * FROM indexed LIMIT $8
)
SELECT (SELECT count(*)::integer FROM few) AS found, (
  SELECT coalesce(json_agg(seq ORDER BY seq), '[]') FROM few
  WHERE stream_id = $1 AND seq >= $2 AND seq <= $3 AND ($4::text[] IS NULL OR topic = ANY ($4))
    AND ($5::text IS NULL OR source = $5) AND ($6::timestamptz IS NULL OR "timestamp" >= $6)
    AND ($7::timestamptz IS NULL OR "timestamp" < $7)
) AS seqs`;
const NAMED_FIRST = 9;

/** The stretches of one walk. */
export class IndexedStretches {
  private days: readonly IndexedDay[] | undefined;
  private daysMax = 1;
  /** Whether several days have had too many events that may match. */
  private isDense = false;
  private triedBetween = TRIED_BETWEEN;
  private namedMax = NAMED_MAX;
  /** Events up to this sequence are tried one by one. */
  private triedTo: number | undefined;

  /** @param condition from `indexedCondition`, with parameters from `IndexedStretches.FIRST` on */
  constructor(
    private readonly database: Queryable,
    private readonly walk: StretchedWalk,
    private readonly condition: IndexedCondition,
  ) {}

  /** The number of the first parameter of the condition. */
  static readonly FIRST = NAMED_FIRST;

  /**
   * How many of the next events to try before a stretch is asked for, at most: they may lead into an indexed day.
   *
   * @param tried how many events the walk has tried already
   */
  triedMax(tried: number): number {
    if (this.days?.length === 0) return Infinity;
    if (this.days === undefined) return Math.max(1, TRIED_FIRST - tried);
    return this.triedBetween;
  }

  /**
   * Returns the next stretch behind a place.
   *
   * @param tried how many events the walk has tried already
   * @param tookMs for how long it did that
   * @returns `undefined` where the next events have to be tried one by one
   */
  async next(at: number, tried: number, tookMs: number): Promise<Stretch | undefined> {
    if (tried < TRIED_FIRST && tookMs < TRIED_FIRST_MS) return undefined;
    if (this.days === undefined) {
      // Later, the time would be that of stretches, too.
      const eventMs = tookMs / Math.max(tried, 1);
      this.namedMax = Math.min(NAMED_MAX, Math.ceil(NAMED_MS / eventMs));
      this.days = await indexedDays(this.database, this.condition);
    }
    const stretch = this.days.length === 0 ? undefined : await this.from(at);
    this.triedBetween = stretch === undefined ? Math.min(2 * this.triedBetween, TRIED_FIRST) : TRIED_BETWEEN;
    return stretch;
  }

  private async from(at: number): Promise<Stretch | undefined> {
    const { database, walk } = this;
    if (this.triedTo !== undefined && this.isBefore(at, this.triedTo)) return undefined;
    const { last: first } = await walkPiece(database, { ...walk, from: at }, 1);
    const days = first === undefined ? [] : await this.daysFrom(first);
    if (first === undefined || days.length === 0) return undefined;
    const end = await this.endOf(days, first);
    if (Math.abs(end.seq - first) < SEQUENCES_MIN) return undefined;
    const beganMs = performance.now();
    const answer = await this.named(days, first, end.seq);
    if (answer === undefined) {
      // Fewer days have fewer of them.
      if (days.length === 1) this.triedTo = end.seq;
      else this.isDense = true;
      this.daysMax = 1;
      return this.from(at);
    }
    const isFast = !this.isDense && performance.now() - beganMs < STRETCH_MS;
    this.daysMax = isFast ? Math.min(DAYS_MAX, 2 * this.daysMax) : Math.ceil(this.daysMax / 2);
    const last = end.isEnd ? end.seq : await this.lastIn(end.seq);
    return { inspected: 0, last, isEnd: end.isEnd, end: end.seq, ...answer };
  }

  private isBefore(at: number, other: number): boolean {
    return this.walk.order === 'oldest' ? at < other : at > other;
  }

  /** Indexed days that follow each other in the order of the walk, from that of an event on. */
  private async daysFrom(seq: number): Promise<readonly IndexedDay[]> {
    const { rows } = await this.database.query<{ stored_ms: number }>(STORED_MS, [this.walk.streamId, seq]);
    const storedMs = rows[0]?.stored_ms ?? NaN;
    const days = this.days ?? [];
    const index = days.findIndex((day) => storedMs >= day.since_ms && storedMs < day.until_ms);
    if (index === -1) return [];
    return this.walk.order === 'oldest'
      ? days.slice(index, index + this.daysMax)
      : days.slice(Math.max(0, index + 1 - this.daysMax), index + 1);
  }

  /** Where events that were stored outside of the days begin, or the walk ends. */
  private async endOf(
    days: readonly IndexedDay[],
    first: number,
  ): Promise<{ readonly seq: number; readonly isEnd: boolean }> {
    const { streamId, order, upTo = Number.MAX_SAFE_INTEGER } = this.walk;
    const outside = spanCondition(outsideOf(days), 3);
    const { rows } = await this.database.query<{ seq: number }>(OUTSIDE[order](outside.sql), [
      streamId,
      first,
      ...outside.values,
    ]);
    const other = rows[0]?.seq;
    if (order === 'newest') return { seq: other === undefined ? 0 : other + 1, isEnd: other === undefined };
    const seq = other === undefined ? upTo : Math.min(upTo, other - 1);
    return { seq, isEnd: seq === upTo };
  }

  /** Returns `undefined` where there are too many, or they take too long. */
  private async named(
    days: readonly IndexedDay[],
    first: number,
    end: number,
  ): Promise<Pick<Stretch, 'seqs' | 'spans'> | undefined> {
    const { streamId, filter, topics } = this.walk;
    const spans = days.map(({ since, until }) => ({ since, until }));
    const stored: Condition = spanCondition(spans, NAMED_FIRST + this.condition.values.length);
    const answer = await queryBounded<{ found: number; seqs: number[] }>(
      this.database,
      QUESTION_MS_MAX,
      named(stored.sql, this.condition.sql),
      [
        ...[streamId, Math.min(first, end), Math.max(first, end), topics ?? null],
        ...[filter.source ?? null, filter.since ?? null, filter.until ?? null, this.namedMax + 1],
        ...this.condition.values,
        ...stored.values,
      ],
    );
    const { found = 0, seqs = [] } = answer?.rows[0] ?? {};
    return answer === undefined || found > this.namedMax ? undefined : { seqs, spans };
  }

  /** The last event of a stretch. It is of the topics, so that a reader of these learns none of others. */
  private async lastIn(end: number): Promise<number> {
    const { streamId, topics, order } = this.walk;
    const [back, from] = order === 'oldest' ? (['newest', end + 1] as const) : (['oldest', end - 1] as const);
    const { last = end } = await walkPiece(this.database, { streamId, topics, order: back, from }, 1);
    return last;
  }
}

async function indexedDays(database: Queryable, { kind }: IndexedCondition): Promise<readonly IndexedDay[]> {
  const { rows } = await database.query<IndexedDay & Record<string, unknown>>(INDEXED_DAYS, [`_by_${kind}`]);
  return rows;
}
