import type { Pool } from 'pg';
import { pause } from '#waiting';
import { firstSeenUs, parseSnapshot, type Snapshot } from './snapshot.js';

const INTERVAL_MS = 2;

const SNAPSHOT = {
  name: 'bench-snapshot',
  text: `SELECT pg_current_snapshot()::text AS snapshot, (extract(epoch FROM clock_timestamp()) * 1e6)::float8 AS "atUs"`,
};

/**
 * Knows when each transaction was committed, as another session sees it.
 *
 *   idle ─start─▶ watching (a snapshot every 2 ms) ─stop─▶ idle
 *
 * Postgres takes its own commit timestamps (`track_commit_timestamp`) before it writes the commit to disk. They would
 * leave out the part that lasts longest. A snapshot that sees the transaction proves that it is over. The snapshot's
 * time is Postgres' clock, read after the snapshot was taken. So the figure is never too low, and at most some 2 ms too
 * high.
 */
export class CommitWatch {
  private readonly snapshots: Snapshot[] = [];
  private stopping = false;
  private readonly watching: Promise<void>;

  private constructor(private readonly pool: Pool) {
    this.watching = this.watch();
    // The caller of `stop` receives this error. Until then, an unhandled rejection must not end the process.
    this.watching.catch(() => undefined);
  }

  /** Begins to watch, on one connection of a pool. */
  static start(pool: Pool): CommitWatch {
    return new CommitWatch(pool);
  }

  /** Takes the last snapshot. It may be called again. It rejects when watching failed meanwhile. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.watching;
  }

  /** When a transaction was first seen as committed, in microseconds since 1970. Throws when no snapshot saw it. */
  committedAtUs(transaction: number): number {
    const atUs = firstSeenUs(this.snapshots, transaction);
    if (atUs === undefined) throw new Error(`no snapshot sees transaction ${transaction} as committed`);
    return atUs;
  }

  private async watch(): Promise<void> {
    const client = await this.pool.connect();
    try {
      let last = false;
      while (!last) {
        last = this.stopping;
        const { rows } = await client.query<{ snapshot: string; atUs: number }>(SNAPSHOT);
        for (const { snapshot, atUs } of rows) this.snapshots.push(parseSnapshot(snapshot, atUs));
        if (!last) await pause(INTERVAL_MS);
      }
    } finally {
      client.release();
    }
  }
}
