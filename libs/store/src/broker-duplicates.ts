import { randomUUID } from 'node:crypto';
import type { Queryable } from '#postgres';

const UPSERT_TOTALS = `
INSERT INTO sekali.broker_duplicate (gateway, topic, dropped)
SELECT $1, * FROM unnest($2::text[], $3::bigint[])
ON CONFLICT (gateway, topic) DO UPDATE SET dropped = GREATEST(broker_duplicate.dropped, EXCLUDED.dropped)`;

/** The topic that counts what has no room in memory, while the database cannot be written. */
const OTHER_TOPICS = '(other)';

/** The bounds and intervals of counting. */
export interface BrokerDuplicatesOptions {
  /** The time from a count to its write. The default is 250 ms. */
  readonly writeEveryMs?: number;
  /** Topics in memory, at most. The default is 10,000. */
  readonly topicsMax?: number;
  /** Called when a write has failed; it is repeated after the same time. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Counts the duplicates that the brokers dropped, as one gateway process saw it. They never reached the stream.
 *
 * A gateway counts in memory, and writes its totals under its own id several times a second. They are totals, not
 * increments, so a write whose answer was lost may be repeated. An outage of the database only delays them. A gateway
 * that is killed loses what it had not written, so this is the only figure that is not exact.
 */
export class BrokerDuplicates {
  private gateway = randomUUID();
  private readonly totals = new Map<string, number>();
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
  }

  /**
   * Returns what this process has counted under its present id, written or not, and that id. A sum with these totals
   * leaves out the rows of that id. What was counted before a change of the id is all in the rows of the old one.
   */
  own(): { readonly gateway: string; readonly totals: ReadonlyMap<string, number> } {
    return { gateway: this.gateway, totals: this.totals };
  }

  /** Counts duplicates of a topic. It returns at once; they are written later. */
  add(topic: string, dropped = 1): void {
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
    const changed = this.changed;
    this.changed = new Set();
    // They are sorted so that rows are always locked in one order.
    const topics = [...changed].sort();
    const values = [this.gateway, topics, topics.map((topic) => this.totals.get(topic) ?? 0)];
    try {
      await this.database.query(UPSERT_TOTALS, values);
    } catch (error) {
      for (const topic of changed) this.changed.add(topic);
      this.options.onError?.(error);
      this.writeSoon();
      throw error;
    }
    // Everything is written. Under a new id, the totals begin at zero again, which frees the memory.
    if (this.totals.size >= this.topicsMax && this.changed.size === 0) {
      this.gateway = randomUUID();
      this.totals.clear();
    }
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
