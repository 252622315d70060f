import { randomUUID } from 'node:crypto';
import type { Queryable } from '#postgres';

const UPSERT_TOTALS = `
INSERT INTO sekali.broker_duplicate (gateway, topic, dropped, written_at)
SELECT $1, topic, dropped, now() FROM unnest($2::text[], $3::bigint[]) AS given (topic, dropped)
ON CONFLICT (gateway, topic) DO UPDATE
SET dropped = GREATEST(broker_duplicate.dropped, EXCLUDED.dropped), written_at = EXCLUDED.written_at`;

const TOTALS = 'SELECT topic, dropped::float8 AS dropped FROM sekali.broker_duplicate WHERE gateway = $1';

/** The topic that counts what has no room in memory, while the database cannot be written. */
const OTHER_TOPICS = '(other)';

/** For how long a gateway uses an id without a write that succeeded: far less than a week, see ended-gateways.ts. */
const UNWRITTEN_MS_MAX = 86_400_000;

/** The bounds and intervals of counting. */
export interface BrokerDuplicatesOptions {
  /** The time from a count to its write. The default is 250 ms. */
  readonly writeEveryMs?: number;
  /** Topics in memory, at most. The default is 10,000. */
  readonly topicsMax?: number;
  /** The clock, in milliseconds. The default is `Date.now`. */
  readonly nowMs?: () => number;
  /** Called when a write has failed; it is repeated after the same time. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Counts the duplicates that the brokers dropped, as one gateway process saw it. They never reached the stream.
 *
 * A gateway counts in memory, and writes its totals under its own id several times a second. They are totals, not
 * increments, so a write whose answer was lost may be repeated. An outage of the database only delays them. A gateway
 * that is killed loses what it had not written, so this is the only figure that is not exact.
 *
 *   id ─written at least once a day─▶ same id ─a day without─▶ another id, with what the rows of the first one lack
 *
 * The rows of an id without writes for a week are added up with others, and no longer the gateway's own. So an id ends
 * long before.
 */
export class BrokerDuplicates {
  private gateway = randomUUID();
  /** Another map for each id: a reader of the figures may still hold the map of the id that it left out. */
  private totals = new Map<string, number>();
  /** The totals that the database has confirmed. */
  private readonly written = new Map<string, number>();
  private readonly nowMs: () => number;
  private writtenMs: number;
  private changed = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private isStopped = false;
  private readonly topicsMax: number;

  constructor(
    private readonly database: Queryable,
    private readonly options: BrokerDuplicatesOptions = {},
  ) {
    this.topicsMax = options.topicsMax ?? 10_000;
    this.nowMs = options.nowMs ?? Date.now;
    this.writtenMs = this.nowMs();
  }

  /**
   * Returns what this process has counted under its present id, written or not, and that id. A sum with these totals
   * leaves out the rows of that id. What was counted before a change of the id is all in the rows of the old one.
   */
  own(): { readonly gateway: string; readonly totals: ReadonlyMap<string, number> } {
    this.leaveIdle();
    return { gateway: this.gateway, totals: this.totals };
  }

  /** Counts duplicates of a topic. It returns at once; they are written later. */
  add(topic: string, dropped = 1): void {
    this.leaveIdle();
    const known = this.totals.has(topic) || this.totals.size < this.topicsMax;
    const name = known ? topic : OTHER_TOPICS;
    this.totals.set(name, (this.totals.get(name) ?? 0) + dropped);
    this.changed.add(name);
    this.writeSoon();
  }

  /**
   * Writes what is not written yet. A timer calls it, and the owner does after the last `add`.
   *
   * @throws when the database refuses the write; nothing is lost, because the next write repeats it
   */
  async flush(): Promise<void> {
    while (this.writing !== undefined) await this.writing.catch(() => undefined);
    if (this.changed.size === 0) return;
    this.writing = this.write();
    try {
      await this.writing;
    } finally {
      this.writing = undefined;
    }
  }

  private async write(): Promise<void> {
    try {
      if (this.isOld) await this.leaveUnwritten();
      await this.writeChanged();
    } catch (error) {
      this.options.onError?.(error);
      this.writeSoon();
      throw error;
    }
    // Everything is written, so the memory can be freed.
    if (this.totals.size >= this.topicsMax && this.changed.size === 0) this.begin(new Map());
  }

  private async writeChanged(): Promise<void> {
    const changed = this.changed;
    this.changed = new Set();
    // They are sorted so that rows are always locked in one order.
    const topics = [...changed].sort();
    const totals = topics.map((topic) => this.totals.get(topic) ?? 0);
    try {
      await this.database.query(UPSERT_TOTALS, [this.gateway, topics, totals]);
    } catch (error) {
      for (const topic of changed) this.changed.add(topic);
      throw error;
    }
    for (const [index, topic] of topics.entries()) this.written.set(topic, totals[index] ?? 0);
    this.writtenMs = this.nowMs();
  }

  private get isOld(): boolean {
    return Math.abs(this.nowMs() - this.writtenMs) > UNWRITTEN_MS_MAX;
  }

  /** Leaves an id of which everything is written. */
  private leaveIdle(): void {
    if (this.isOld && this.changed.size === 0 && this.writing === undefined) this.begin(new Map());
  }

  /** Leaves an id of which it is not known whether the last write succeeded: its rows say so. */
  private async leaveUnwritten(): Promise<void> {
    const { rows } = await this.database.query<{ topic: string; dropped: number }>(TOTALS, [this.gateway]);
    const there = new Map(rows.map(({ topic, dropped }) => [topic, dropped]));
    const left = new Map<string, number>();
    for (const [topic, total] of this.totals) {
      const more = total - Math.max(there.get(topic) ?? 0, this.written.get(topic) ?? 0);
      if (more > 0) left.set(topic, more);
    }
    this.begin(left);
  }

  /** Begins another id. @param left what no row has */
  private begin(left: ReadonlyMap<string, number>): void {
    this.gateway = randomUUID();
    this.totals = new Map(left);
    this.written.clear();
    this.changed = new Set(left.keys());
    this.writtenMs = this.nowMs();
  }

  private writeSoon(): void {
    // A write that fails after `stop` must not start a timer that is never stopped.
    if (this.isStopped) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush().catch(() => undefined);
    }, this.options.writeEveryMs ?? 250);
  }

  /** Stops the timer. Call `flush` first. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
