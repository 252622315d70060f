/**
 * A subject contains a carriage return. A broker accepts it from any producer that does not use a client library. The
 * client of a worker cannot parse such a delivery, so it stops reading before the neighbours.
 */
import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerBecomes,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  startConsumer,
} from './test/consumer-fixture.js';

const ACK_WAIT_MS = 2_000;

/** Publishes at the broker that leads the stream, because other brokers would split the line. */
async function publishRaw(system: TestCluster, subject: string, headerBytes: string): Promise<void> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { cluster } = await manager.streams.info(system.streamName);
  const leader = cluster?.leader ?? system.brokers.nodes[0]?.name;
  const port = system.brokers.nodes.find(({ name }) => name === leader)?.clientPort;
  const { username, password } = new URL(system.natsUrls[0] ?? '');
  if (port === undefined) throw new Error(`there is no broker ${leader ?? ''}`);
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (bytes) => void (received += bytes.toString()));
  const signIn = JSON.stringify({ verbose: false, headers: true, user: username, pass: password });
  const publish =
    headerBytes === ''
      ? `PUB ${subject} 2\r\n{}`
      : `HPUB ${subject} ${headerBytes.length} ${headerBytes.length + 2}\r\n${headerBytes}{}`;
  socket.write(`CONNECT ${signIn}\r\n${publish}\r\nPING\r\n`);
  await waitFor(() => received.includes('PONG'), {
    timeoutMs: 10_000,
    describe: 'the broker to have read it',
  });
  expect(received).not.toContain('-ERR');
  socket.destroy();
}

async function subjectsGivenUp({ pool }: TestCluster): Promise<object[]> {
  const { rows } = await pool.query<object>('SELECT subject, reason FROM sekali.dead_letter ORDER BY seq');
  return rows;
}

describe.each([1, 3] as const)('a message whose subject has a carriage return, on %i brokers,', (nodes) => {
  it('becomes a dead letter, and delays no neighbour', async () => {
    const system = await createTestCluster({ nodes, ackWaitMs: ACK_WAIT_MS });
    let consumer: ConsumerFixture | undefined;
    try {
      const subject = `${system.subjectPrefix}.orders\rcreated`;
      await publishEvent(system, { id: 'before' });
      await publishRaw(system, subject, '');
      await publishRaw(system, subject, 'NATS/1.0\r\nA: 1\r\n\r\n');
      for (let n = 0; n < 20; n++) await publishEvent(system, { id: `after-${n}` });
      consumer = await startConsumer(system.environment);
      await ledgerBecomes(system, ledgerOf(21, 0, 0, 2));
      const givenUp = { subject, reason: 'invalid_event' };
      expect(await subjectsGivenUp(system)).toEqual([givenUp, givenUp]);
      await nothingUnsettled(system);
    } finally {
      await consumer?.stop();
      await system.dispose();
    }
  }, 120_000);
});
