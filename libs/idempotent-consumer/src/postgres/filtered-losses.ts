import type { Queryable } from '#postgres';
import type { SequenceSegment, StoreLoss } from '../stream-history.js';
import type { StreamSearch } from './history-comparison.js';
import { type MessageTables, messageTables } from './inbox-tables.js';
import { type KeptHorizon, type SearchBounds, type SettledHorizon, StandbyError } from './settled-horizon.js';

/** How many messages one search looks up. Each costs a question to the brokers. */
const MESSAGES_MAX = 20_000;
/** How many questions to the brokers are on their way at a time. */
const PARALLEL = 16;

interface Found {
  readonly seq: number;
  readonly publishedMs: number;
}

/**
 * How long an ack floor has to be known before it is kept without a search. A process may commit for a moment to a
 * primary that was replaced, while others have a connection to the new one already.
 */
const TRUSTED_AFTER_MS = 60_000;

/**
 * Looks for acknowledged messages without a row, for a consumer that leaves a part of the stream out.
 *
 *   a new session, or another server ─▶ searched: every message that the consumer is for has its row?
 *   otherwise ────────────────────────▶ the ack floor of a minute ago is kept
 *
 * Its rows have gaps, so they show nothing by themselves. The stream is asked for each message that the consumer is
 * for, in parts of the range at the same time. That costs a question a message. So it is done only where the store may
 * be another one than before, and from the kept horizon on.
 */
export class FilteredLosses {
  private readonly lacking: string;
  /** Whether the store may be another one than at the last search. */
  private isSuspect = true;
  /** The server of the newest connection. */
  private server: string | undefined;
  /** New connections whose server is not known yet. */
  private unknown = 0;
  /** The horizon that the store had at the last search or afterwards. */
  private keptSeq = 0;
  private floors: { readonly seq: number; readonly atMs: number }[] = [];

  constructor(
    tables: MessageTables,
    private readonly horizon: SettledHorizon,
    keeping: KeptHorizon,
  ) {
    const absent = (table: string): string =>
      `NOT EXISTS (SELECT FROM ${table} row WHERE row.stream_id = $1 AND row.seq = asked.seq)`;
    // One statement, so that nothing is kept in another store than that whose rows were read.
    this.lacking = `
WITH lacking AS (
  SELECT asked.seq FROM unnest($4::bigint[]) asked (seq)
  WHERE ${messageTables(tables).map(absent).join(' AND ')}
), moved AS (
  SELECT $3::bigint AS seq
  WHERE NOT EXISTS (SELECT FROM lacking) AND coalesce((${keeping.read}), 0) >= $2::bigint
), written AS (${keeping.write}
)
SELECT pg_is_in_recovery() AS standby, (SELECT array_agg(seq::float8) FROM lacking) AS seqs`;
  }

  /** Has the next call search, because the store may be another one. */
  suspect(): void {
    this.isSuspect = true;
    this.floors = [];
  }

  /**
   * Has the next call search, if a new connection leads to another server than the one before. A pool replaces
   * connections all the time, and a search costs a question a message.
   *
   * @param asked the server of the connection; `undefined` counts as another one
   */
  async connected(asked: Promise<string | undefined>): Promise<void> {
    this.unknown++;
    const server = await asked;
    this.unknown--;
    if (server === undefined || server !== this.server) this.suspect();
    this.server = server;
  }

  /**
   * Searches, or keeps an older ack floor where nothing can have happened. A search is bounded, keeps its progress, and
   * is continued by the next call.
   *
   * @param segments the stream ids of the rows, by their sequences
   * @param subjects the subjects that leave a row, no two of which overlap
   * @throws `StandbyError` when a standby answered, because it may lag
   */
  async loss(
    database: Queryable,
    segments: readonly SequenceSegment[],
    bounds: SearchBounds,
    stream: Pick<StreamSearch, 'nextAt'>,
    subjects: readonly string[],
  ): Promise<StoreLoss | undefined> {
    if (!this.isSuspect) {
      // Until the server is known, nothing is kept in it.
      if (this.unknown > 0) return undefined;
      await this.keepOld(database, segments, bounds.acknowledged);
      return undefined;
    }
    this.isSuspect = false;
    try {
      const found = await this.search(database, segments, bounds, stream, subjects);
      if (found === 'none') return undefined;
      this.isSuspect = true;
      return found === 'unfinished' ? undefined : found;
    } catch (error) {
      this.isSuspect = true;
      throw error;
    }
  }

  private async keepOld(
    database: Queryable,
    segments: readonly SequenceSegment[],
    acknowledged: number,
  ): Promise<void> {
    const nowMs = performance.now();
    this.floors.push({ seq: acknowledged, atMs: nowMs });
    const old = this.floors.filter(({ atMs }) => nowMs - atMs >= TRUSTED_AFTER_MS);
    const newest = old.at(-1);
    const segment = segments.at(-1);
    if (newest === undefined || segment === undefined) return;
    this.floors = this.floors.slice(old.length);
    await this.horizon.keep(database, segment.streamId, this.keptSeq, newest.seq);
    this.keptSeq = Math.max(this.keptSeq, newest.seq);
  }

  private async search(
    database: Queryable,
    segments: readonly SequenceSegment[],
    { floor, acknowledged }: SearchBounds,
    stream: Pick<StreamSearch, 'nextAt'>,
    subjects: readonly string[],
  ): Promise<StoreLoss | 'none' | 'unfinished'> {
    for (const { streamId, after, upTo } of segments) {
      const end = Math.min(acknowledged, upTo);
      const kept = await this.horizon.kept(database, streamId);
      this.keptSeq = kept;
      const from = Math.max(floor, after, kept);
      if (from >= end) continue;
      const { messages, searched } = await messagesBetween(stream, subjects, from, end);
      const lost = await this.lackingAmong(database, streamId, { kept, searched, messages });
      const [first] = lost;
      if (first !== undefined) {
        const publishedAt = new Date(first.publishedMs);
        return { firstSeq: first.seq, lastSeq: end, missing: lost.length, publishedAt };
      }
      this.keptSeq = searched;
      if (searched < end) return 'unfinished';
    }
    return 'none';
  }

  private async lackingAmong(
    database: Queryable,
    streamId: number,
    { kept, searched, messages }: Searched,
  ): Promise<readonly Found[]> {
    const seqs = messages.map(({ seq }) => seq);
    const { rows } = await database.query<{ standby: boolean; seqs: readonly number[] | null }>(
      this.lacking,
      [streamId, kept, searched, seqs],
    );
    const lacking = new Set(rows[0]?.seqs ?? []);
    if (lacking.size > 0 && rows[0]?.standby === true) throw new StandbyError();
    return messages.filter(({ seq }) => lacking.has(seq));
  }
}

/** The messages between the kept horizon, or where the stream begins, and the end of a search. */
interface Searched {
  readonly kept: number;
  readonly searched: number;
  readonly messages: readonly Found[];
}

/** Asks for the messages behind a sequence. @returns them in order, and up to where they are complete */
async function messagesBetween(
  stream: Pick<StreamSearch, 'nextAt'>,
  subjects: readonly string[],
  from: number,
  upTo: number,
): Promise<{ readonly messages: readonly Found[]; readonly searched: number }> {
  const size = Math.max(1, Math.ceil((upTo - from) / PARALLEL));
  const parts = Array.from({ length: Math.ceil((upTo - from) / size) }, (_, n) => ({
    after: from + n * size,
    end: Math.min(upTo, from + (n + 1) * size),
  }));
  const countMax = Math.ceil(MESSAGES_MAX / parts.length / subjects.length);
  const walks = await Promise.all(
    parts.flatMap((part) => subjects.map((subject) => walk(stream, subject, part, countMax))),
  );
  // A part that was cut short bounds all behind it.
  const searched = Math.min(upTo, ...walks.filter(({ isCut }) => isCut).map(({ at }) => at));
  const messages = walks
    .flatMap(({ found }) => found)
    .filter(({ seq }) => seq <= searched)
    .sort((a, b) => a.seq - b.seq);
  return { messages, searched };
}

async function walk(
  stream: Pick<StreamSearch, 'nextAt'>,
  subject: string,
  { after, end }: { readonly after: number; readonly end: number },
  countMax: number,
): Promise<{ readonly found: readonly Found[]; readonly at: number; readonly isCut: boolean }> {
  const found: Found[] = [];
  for (let at = after; at < end;) {
    if (found.length >= countMax) return { found, at, isCut: true };
    const next = await stream.nextAt(at + 1, subject);
    if (next === undefined || next.seq > end) break;
    found.push(next);
    at = next.seq;
  }
  return { found, at: end, isCut: false };
}
