/**
 * Duplicates that never reached the stream: what gateways saw the brokers drop.
 *
 * A gateway counts in memory and writes its totals, under an id of its own, several times a second. Totals, not
 * additions: a write that was lost on the way back may be repeated. A database outage only delays them; what a
 * gateway that is killed outright had not written yet is lost, the one soft figure there is.
 */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '#postgres';

const UPSERT_TOTALS = `
INSERT INTO sekali.broker_duplicate (gateway, topic, dropped)
SELECT $1, * FROM unnest($2::text[], $3::bigint[])
ON CONFLICT (gateway, topic) DO UPDATE SET dropped = GREATEST(broker_duplicate.dropped, EXCLUDED.dropped)`;

/** The topic under which is counted what finds no place in memory, while the database cannot be written. */
const OTHER_TOPICS = '(other)';

/** How a process counts. */
export interface BrokerDuplicatesOptions {
  /** Default 250 ms. */
  readonly writeEveryMs?: number;
  /** Topics kept in memory. Default 10,000. */
  readonly topicsMax?: number;
  /** Told of a write that failed; it is repeated at the next turn. */
  readonly onError?: (error: unknown) => void;
}

/** Counts the duplicates one gateway process saw. See the head of this file. */
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
   * What this process counted under its present id, written or not, and that id: the rows under it are to be left out of
   * a sum that these go into. Under a new id, what was counted before is all in the rows of the old one.
   */
  own(): { readonly gateway: string; readonly totals: ReadonlyMap<string, number> } {
    return { gateway: this.gateway, totals: this.totals };
  }

  /** Counts duplicates of a topic. Returns at once; they are written a moment later. */
  add(topic: string, dropped = 1): void {
    const known = this.totals.has(topic) || this.totals.size < this.topicsMax;
    const name = known ? topic : OTHER_TOPICS;
    this.totals.set(name, (this.totals.get(name) ?? 0) + dropped);
    this.changed.add(name);
    this.writeSoon();
  }

  /**
   * Writes what is not written yet. Called by itself, and by the owner after the last `add`.
   *
   * @throws when the database does not take it; nothing is lost, the next turn repeats it
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
    // Sorted, so that rows are always locked in one order.
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
    // All is written: under a new id the totals begin again at nothing, and memory with them.
    if (this.totals.size >= this.topicsMax && this.changed.size === 0) {
      this.gateway = randomUUID();
      this.totals.clear();
    }
  }

  private writeSoon(): void {
    // A write that fails after the end must not begin another turn: nobody would ever end that one.
    if (this.isStopped) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush().catch(() => undefined);
    }, this.options.writeEveryMs ?? 250);
  }

  /** Ends the writing by itself. Call `flush` first. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
