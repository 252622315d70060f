/**
 * The baseline of a drain: the client's own `consume`, `JSON.parse`, one INSERT per thousand events, and one ack per
 * message.
 *
 * It is as plain as a program can be that still drops repeats. It survives no outage, no bad message and no move of the
 * consumer's leader, and it does not know what it dropped.
 */
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { connectBroker } from '#broker';
import { readWorkerSettings } from '#config';
import { createPool } from '#postgres';
import { INSERT_BATCH, type PlainEvent } from './plain-table.js';

const BATCH_SIZE = 1_000;
const BATCHES_IN_FLIGHT = 2;
const PREFETCH = 4_000;
const LAST_BATCH_WAIT_MS = 100;

const settings = readWorkerSettings();
const pool = createPool({
  url: settings.SEKALI_POSTGRES_URL,
  name: 'baseline-drain',
  connectionsMax: BATCHES_IN_FLIGHT,
  transactionMsMax: 60_000,
});
const connection = await connectBroker(
  { urls: settings.SEKALI_NATS_URLS, name: 'baseline-drain' },
  { waitForFirst: true },
);
const consumer = await jetstream(connection).consumers.get(settings.SEKALI_STREAM, settings.SEKALI_CONSUMER);
const inFlight = new Set<Promise<void>>();
let batch: JsMsg[] = [];

async function store(messages: readonly JsMsg[]): Promise<void> {
  const events = messages.map((message) => JSON.parse(message.string()) as PlainEvent);
  await pool.query(INSERT_BATCH, [
    events.map((event) => event.topic),
    events.map((event) => event.event_id),
    events.map((event) => event.source),
    events.map((event) => event.timestamp),
    events.map((event) => JSON.stringify(event.payload)),
  ]);
  for (const message of messages) message.ack();
}

function begin(): void {
  const storing = store(batch).finally(() => inFlight.delete(storing));
  inFlight.add(storing);
  batch = [];
}

// The last batch is not full, and no message comes after it.
setInterval(() => {
  if (batch.length > 0 && inFlight.size === 0) begin();
}, LAST_BATCH_WAIT_MS);

for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
  process.once(signal, () => process.exit(0));
}
process.send?.({ type: 'ready' });

for await (const message of await consumer.consume({ max_messages: PREFETCH })) {
  batch.push(message);
  if (batch.length < BATCH_SIZE) continue;
  begin();
  while (inFlight.size >= BATCHES_IN_FLIGHT) await Promise.race(inFlight);
}
