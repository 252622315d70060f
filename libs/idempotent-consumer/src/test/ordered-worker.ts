/** A worker that keeps the order of keys, as a process. It sends its state to its parent, whenever that changes. */
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { createConsumer } from '../core/create-consumer.js';
import { APPEND, decodeNumbered, type Numbered, ORDERED } from './numbered-events.js';

/** The first argument, as JSON. */
export interface OrderedWorkerPlace {
  readonly natsUrls: readonly string[];
  readonly postgresUrl: string;
  readonly stream: string;
}

const STATE_EVERY_MS = 100;
/** An event whose number is divisible by this fails at half of its attempts. */
const FAILING = 9;

const place = JSON.parse(process.argv[2] ?? '{}') as OrderedWorkerPlace;
const connection = await connect({ servers: [...place.natsUrls], maxReconnectAttempts: -1 });
const pool = new pg.Pool({ connectionString: place.postgresUrl, max: 6, connectionTimeoutMillis: 2_000 });
pool.on('error', () => undefined);
const consumer = createConsumer<Numbered>({
  ...{ connection, pool, stream: place.stream, name: ORDERED, decode: decodeNumbered },
  orderBy: ({ key }) => key,
  settings: {
    ...{ batchSize: 20, prefetch: 60, leaseMs: 1_000 },
    ...{ attemptsMax: 1_000, retryDelayMs: 5, isolateAfterDeliveries: 1_000 },
    handlerMsMax: 2_000,
  },
  handler: async ({ key, n }, { transaction }) => {
    await transaction.query(APPEND, [key, n]);
    if (n % FAILING === 0 && Math.random() < 1 / 2) throw new Error('not yet');
  },
});
process.on('disconnect', () => process.exit(0));
let sent: string | undefined;
setInterval(() => {
  const { state } = consumer.health();
  if (state !== sent) process.send?.({ state });
  sent = state;
}, STATE_EVERY_MS);
await consumer.start();
