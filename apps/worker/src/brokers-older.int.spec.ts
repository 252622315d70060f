/**
 * Brokers that are older than the database: their stores are put back while the database stays. What they accept
 * afterwards gets sequences that the database has already, and is stored all the same.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import { type ConsumerFixture, ledgerOf, nothingUnsettled, publishEvent, readLedger, startConsumer } from './test/consumer-fixture.js';

const ELECTED_WITHIN_MS = 60_000;
let system: TestCluster;
let consumer: ConsumerFixture | undefined;

beforeEach(async () => {
  system = await createTestCluster({ ackWaitMs: 2_000, duplicateWindowMs: 500 });
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
  await system.dispose();
});

function stores(): { name: string; live: string; copy: string }[] {
  return system.brokers.nodes.map(({ name, dataDirectory }) => ({
    name,
    live: join(dataDirectory, 'store'),
    copy: join(dataDirectory, 'copy'),
  }));
}

async function stopBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.stop()));
}

async function startBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.spawn()));
  await Promise.all(system.brokers.nodes.map((node) => node.untilReady({ timeoutMs: ELECTED_WITHIN_MS })));
  await waitFor(
    async () => {
      const manager = await jetstreamManager(system.connection, { checkAPI: false });
      const stream = await manager.streams.info(system.streamName);
      const store = await manager.consumers.info(system.streamName, system.consumerName);
      return stream.cluster?.leader !== undefined && store.cluster?.leader !== undefined;
    },
    { withinMs: ELECTED_WITHIN_MS, describe: 'leaders of the stream and of the consumer' },
  );
}

/** Keeps what the brokers have now. */
async function copyStores(): Promise<void> {
  await stopBrokers();
  for (const { live, copy } of stores()) cpSync(live, copy, { recursive: true });
  await startBrokers();
}

/** Gives the brokers back what they had; all of it, or all but the consumer's state. */
async function putBackStores(kept: (path: string) => boolean = () => false): Promise<void> {
  await stopBrokers();
  for (const { live, copy } of stores()) {
    const newer = `${live}-newer`;
    cpSync(live, newer, { recursive: true });
    rmSync(live, { recursive: true });
    cpSync(copy, live, { recursive: true });
    cpSync(newer, live, { recursive: true, filter: (path) => kept(path) });
  }
  await startBrokers();
}

async function send(...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await waitFor(() => publishEvent(system, { id, messageId: `orders:${id}` }), {
      withinMs: ELECTED_WITHIN_MS,
      describe: `${id} acknowledged`,
    });
  }
}

async function settled(count: number): Promise<void> {
  await waitFor(
    async () => {
      const { stored, duplicates, deadLetters } = await readLedger(system.pool);
      return stored + duplicates + deadLetters >= count;
    },
    { withinMs: ELECTED_WITHIN_MS, describe: `${count} messages settled` },
  );
  await nothingUnsettled(system);
}

const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n + 1}`);

async function storedIds(prefix: string): Promise<number> {
  const { rows } = await system.pool.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM sekali.event_key WHERE starts_with(event_id, $1)',
    [prefix],
  );
  return rows[0]?.count ?? NaN;
}

describe('brokers that are older than the database', () => {
  it('store what they accept under sequences that the database has already', async () => {
    consumer = await startConsumer(system.environment);
    await send(...named('old', 7));
    await settled(7);
    await copyStores();
    await send(...named('lost', 3));
    await settled(10);
    await putBackStores();
    await send(...named('new', 3));
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(13));
    expect(await storedIds('new')).toBe(3);
  });
});
