import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type pg from 'pg';
import { readingPool } from './system/sql-door.js';

const ANSWER_MS_MAX = 1_500;

const SETTLED = `
SELECT coalesce(sum(stored + duplicates + dead_letters), 0)::float8 AS settled
FROM sekali.counter JOIN sekali.stream USING (stream_id) WHERE name = $1`;

/** Where to read. */
export interface GaugeScope {
  readonly brokers: NatsConnection;
  readonly postgresUrl: string;
  readonly stream: string;
  /** The durable consumer that stores. */
  readonly consumer: string;
}

/**
 * Reads, for the sampler, how far the store has come. Every reading may fail while something is broken.
 *
 * It has its own read-only connection to Postgres. The connection to the brokers is the caller's.
 */
export class Gauge {
  private readonly pool: pg.Pool;

  constructor(private readonly scope: GaugeScope) {
    this.pool = readingPool(scope.postgresUrl, ANSWER_MS_MAX);
  }

  /** Messages that the store has settled, ever. @throws while Postgres does not answer */
  async settled(): Promise<number> {
    const { rows } = await this.pool.query<{ settled: number }>(SETTLED, [this.scope.stream]);
    return rows[0]?.settled ?? 0;
  }

  /** Messages of the stream that the store has not acknowledged. @throws while the brokers do not answer */
  async lag(): Promise<number> {
    const manager = await jetstreamManager(this.scope.brokers, { checkAPI: false });
    const info = await manager.consumers.info(this.scope.stream, this.scope.consumer);
    return info.num_pending + info.num_ack_pending;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
