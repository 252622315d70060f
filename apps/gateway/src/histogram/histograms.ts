import { coversTopic, isTopicPattern } from '#contracts';
import { readHistogram, TooManyTopicsError, type Queryable, type SettledCounts } from '#store';
import { databaseAnswer } from '../database-answer.js';
import { tooManyTopics } from '../events/event-reader.js';
import type { PageRoom } from '../events/page-room.js';
import { requireTopic, type Access } from '../keys/access.js';
import { readHistogramQuery } from './histogram-query.js';

const HISTOGRAM_MS_MAX = 5_000;

/** The figures of one bucket, or of all. `duplicates` includes `conflicts`. */
interface CountsView {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
}

/** The answer of `GET /histogram`. */
export interface HistogramView {
  readonly since: string;
  readonly until: string;
  readonly step_seconds: number;
  readonly counted_since: string | null;
  readonly totals: CountsView;
  readonly buckets: readonly (CountsView & { readonly start: string })[];
}

/** Answers how many messages were settled when. */
export class Histograms {
  /** @param room of the histograms that are being counted */
  constructor(
    private readonly database: Queryable,
    private readonly room: PageRoom,
  ) {}

  /**
   * Reads the counts. A key that covers only some topics gets theirs alone.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover, 503 when the database does
   *   not answer, or too many ask
   */
  async read(queryString: string, access: Access, address: string): Promise<HistogramView> {
    const { topic, ...window } = readHistogramQuery(queryString, Date.now());
    if (topic !== undefined && !isTopicPattern(topic)) requireTopic(access, topic);
    const covered = access.topics;
    const share = await this.room.take(access.keyId ?? address, 1);
    // The place is kept until the statement ends, also where the client has given up before.
    const reading = readHistogram(this.database, {
      ...window,
      topics: topic === undefined ? (covered ?? undefined) : [topic],
      isCovered: (one) => coversTopic(covered, one),
    }).finally(() => {
      share.release();
    });
    const found = await databaseAnswer(HISTOGRAM_MS_MAX, reading).catch((error: unknown) => {
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    });
    return {
      since: instantOf(found.since),
      until: instantOf(found.until),
      step_seconds: found.stepSeconds,
      counted_since: found.countedSince === undefined ? null : instantOf(found.countedSince),
      totals: countsOf(found.totals),
      buckets: found.buckets.map((bucket) => ({ start: instantOf(bucket.start), ...countsOf(bucket) })),
    };
  }
}

function countsOf({ stored, duplicates, conflicts, deadLetters }: SettledCounts): CountsView {
  return { stored, duplicates, conflicts, dead_letters: deadLetters };
}

function instantOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}
