import { performance } from 'node:perf_hooks';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { connectBroker, ensureStream } from '#broker';
import { readGatewaySettings, readSetupSettings } from '#config';
import { EventBody, eventIdOfNumber, eventPayload, topicOfNumber } from '../http/event-body.js';
import { quantile } from '../http/latencies.js';
import { newIdPrefix } from '../http/subjects.js';
import { PUBLISH_TRIES_MAX } from '../environment/backlog.js';
import type { Environment } from '../environment/environment.js';

const STREAM = 'BENCH_ALONE';
const SUBJECT_PREFIX = 'bench-alone';

const MAKE_TABLE =
  'CREATE TABLE IF NOT EXISTS bench_alone (LIKE sekali.event INCLUDING DEFAULTS INCLUDING INDEXES)';
const INSERT = {
  name: 'bench-alone',
  text: `INSERT INTO bench_alone (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
VALUES (0, $1, $2, $3, 'bench', now(), $4, now())`,
};

/**
 * The two parts of an event's way that cannot be left out, each alone and one at a time. They are a PubAck from a
 * quorum of the brokers, and a commit of one row by Postgres.
 *
 * The stream is a separate one with the real one's definition, so that no worker reads what is published here.
 */
export class PartsAlone {
  private number = 0;
  private readonly idPrefix = newIdPrefix();
  private readonly body = new EventBody(this.idPrefix, 1, 'object');
  private readonly client: JetStreamClient;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly pool: Pool,
  ) {
    this.client = jetstream(connection);
  }

  /** Creates the stream and the table. @param pool stays the caller's */
  static async on(environment: Environment, pool: Pool): Promise<PartsAlone> {
    const { SEKALI_NATS_URLS: urls } = readGatewaySettings(environment.variables);
    const settings = readSetupSettings(environment.variables);
    const connection = await connectBroker({ urls, name: 'bench-alone' }, { waitForFirst: true });
    await ensureStream(connection, {
      name: STREAM,
      subjectPrefix: SUBJECT_PREFIX,
      replicas: settings.SEKALI_STREAM_REPLICAS,
      bytesMax: settings.SEKALI_STREAM_BYTES_MAX,
      ageSecondsMax: settings.SEKALI_STREAM_AGE_SECONDS_MAX,
      duplicateWindowMs: settings.SEKALI_DUPLICATE_WINDOW_MS,
    });
    await pool.query(MAKE_TABLE);
    const parts = new PartsAlone(connection, pool);
    await parts.publish(PUBLISH_TRIES_MAX);
    return parts;
  }

  /** The median time, in milliseconds, from publishing to the PubAck. */
  async pubAckMs(durationMs: number): Promise<number> {
    return medianMs(durationMs, () => this.publish(1));
  }

  /** The median time, in milliseconds, of inserting one row and committing it. */
  async insertMs(durationMs: number): Promise<number> {
    const payload = eventPayload(this.idPrefix);
    return medianMs(durationMs, async () => {
      const number = (this.number += 1);
      await this.pool.query(INSERT, [
        number,
        topicOfNumber(number),
        eventIdOfNumber(this.idPrefix, number),
        payload,
      ]);
    });
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  private async publish(triesMax: number): Promise<void> {
    const number = (this.number += 1);
    const topic = topicOfNumber(number);
    this.body.write(0, number);
    await this.client.publish(`${SUBJECT_PREFIX}.${topic}`, this.body.bytes, {
      msgID: `${topic}:${eventIdOfNumber(this.idPrefix, number)}`,
      retries: triesMax,
    });
  }
}

async function medianMs(durationMs: number, once: () => Promise<void>): Promise<number> {
  const endsAt = performance.now() + durationMs;
  const times: number[] = [];
  for (let now = performance.now(); now < endsAt;) {
    await once();
    const after = performance.now();
    times.push(after - now);
    now = after;
  }
  return quantile(times, 0.5);
}
