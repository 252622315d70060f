/**
 * A service with an outbox, for one round: its relay publishes what waits, or what the service commits meanwhile.
 *
 * A transaction changes a row and adds events. The clients of the service and its relay are in one process, as in a
 * service that users write.
 */
import { performance } from 'node:perf_hooks';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool, PoolClient } from 'pg';
import { connectBroker } from '#broker';
import { type GatewaySettings, readGatewaySettings } from '#config';
import { Outbox, OutboxRelay, StreamEventPublisher } from '#idempotent-consumer/producer';
import { createPool } from '#postgres';
import { poll } from '#waiting';
import { eventIdOfNumber, eventPayload, topicOfNumber } from '../http/event-body.js';
import { carryOut } from '../http/program-run.js';
import { CLIENTS, SPEND } from './outbox-fixture.js';
import type { OutboxOrder, OutboxReport } from './outbox-order.js';
import { ADD_PLAINLY, relayPlainly } from './plain-outbox.js';

const RELAY_CONNECTIONS = 1;
const TRANSACTION_MS_MAX = 60_000;
const ROUND_MS_MAX = 600_000;
const POLL_MS = 2;

/** The event with a number, as a caller gives it to an outbox. */
interface Order {
  readonly topic: string;
  readonly id: string;
  readonly payload: object;
}

/** How a service adds events in a transaction. */
type Add = (client: PoolClient, events: readonly Order[]) => Promise<unknown>;

const outbox = new Outbox({ source: 'bench' });
const addToLibrary: Add = (client, events) => outbox.addAll(client, events);
const addPlainly: Add = (client, events) => {
  const bodies = events.map(({ topic, id, payload }) =>
    JSON.stringify({ topic, event_id: id, timestamp: new Date().toISOString(), source: 'bench', payload }),
  );
  return client.query(ADD_PLAINLY, [events.map(({ topic }) => topic), events.map(({ id }) => id), bodies]);
};

/** Commits the events of an order over several connections. */
async function commit(
  pool: Pool,
  { events, eventsPerCommit = 0, idPrefix }: OutboxOrder,
  add: Add,
): Promise<void> {
  if (eventsPerCommit === 0) return;
  const payload = eventPayload(idPrefix);
  let next = 0;
  const serve = async (account: number): Promise<void> => {
    const client = await pool.connect();
    try {
      while (next < events) {
        const first = next;
        next = Math.min(events, first + eventsPerCommit);
        const orders = Array.from({ length: next - first }, (_, at): Order => {
          const number = first + at;
          return { topic: topicOfNumber(number), id: eventIdOfNumber(idPrefix, number), payload };
        });
        await client.query('BEGIN');
        await client.query(SPEND, [account]);
        await add(client, orders);
        await client.query('COMMIT');
      }
    } finally {
      client.release();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, account) => serve(account)));
}

async function relayOfLibrary(
  pool: Pool,
  connection: NatsConnection,
  settings: GatewaySettings,
  events: number,
): Promise<() => Promise<number>> {
  const publisher = new StreamEventPublisher({
    connection,
    stream: settings.SEKALI_STREAM,
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    source: 'bench',
  });
  const relay = new OutboxRelay({ pool, outbox, publisher });
  relay.start();
  const bounds = { timeoutMs: ROUND_MS_MAX, intervalMs: POLL_MS };
  await poll(() => relay.health().published >= events || undefined, bounds);
  return async () => {
    await relay.stop();
    await publisher.stop();
    return relay.health().published;
  };
}

await carryOut(async (order: OutboxOrder): Promise<OutboxReport> => {
  const settings = readGatewaySettings();
  const connection = await connectBroker(
    { urls: settings.SEKALI_NATS_URLS, name: 'bench-outbox' },
    { waitForFirst: true },
  );
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'bench-outbox',
    connectionsMax: RELAY_CONNECTIONS + CLIENTS,
    transactionMsMax: TRANSACTION_MS_MAX,
  });
  const { events, kind } = order;
  const before = process.cpuUsage();
  const startMs = performance.now();
  const isPlain = kind === 'plain';
  const [end] = await Promise.all([
    isPlain
      ? relayPlainly(pool, connection, settings.SEKALI_SUBJECT_PREFIX, events).then((count) => () => count)
      : relayOfLibrary(pool, connection, settings, events),
    commit(pool, order, isPlain ? addPlainly : addToLibrary),
  ]);
  const seconds = (performance.now() - startMs) / 1_000;
  const published = await end();
  const { user, system } = process.cpuUsage(before);
  await connection.close();
  await pool.end();
  return { eventsPerSecond: events / seconds, published, processorMs: (user + system) / 1_000 };
});
