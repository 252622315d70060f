/** Acks that are written together reach the brokers, each for its own delivery. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { AckWriter } from './ack-writer.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(async () => {
  await system.dispose();
});

/** Publishes and receives as many messages. */
async function deliveries(count: number): Promise<Msg[]> {
  const { connection } = system;
  for (let n = 0; n < count; n += 100) {
    const sent = Array.from({ length: 100 }, () =>
      jetstream(connection).publish(`${system.subjectPrefix}.a`, '{}'),
    );
    await Promise.all(sent);
  }
  const received: Msg[] = [];
  const reply = `${system.streamName}.pull`;
  const subscription = connection.subscribe(reply, {
    callback: (_, message) => {
      if (message.reply) received.push(message);
    },
  });
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${system.streamName}.${system.consumerName}`;
  connection.publish(subject, JSON.stringify({ batch: count, expires: 20_000_000_000 }), { reply });
  await waitFor(() => received.length === count, { timeoutMs: 20_000, describe: 'the deliveries' });
  subscription.unsubscribe();
  return received;
}

async function unacknowledged(): Promise<number> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  return (await manager.consumers.info(system.streamName, system.consumerName)).num_ack_pending;
}

describe('acks that are written together', () => {
  it('settle every delivery, more than one text holds of them', async () => {
    const received = await deliveries(1_000);
    const acks = new AckWriter(system.connection);
    for (const message of received.slice(1)) acks.ack(message);
    await waitFor(async () => (await unacknowledged()) === 1, {
      timeoutMs: 10_000,
      describe: 'all acks but one',
    });
    acks.ack(received[0] as Msg);
    await waitFor(async () => (await unacknowledged()) === 0, {
      timeoutMs: 10_000,
      describe: 'the last ack',
    });
  });

  it('are sent one by one over a client that cannot send them together', async () => {
    const received = await deliveries(100);
    const acks = new AckWriter({} as NatsConnection);
    for (const message of received) acks.ack(message);
    await waitFor(async () => (await unacknowledged()) === 0, { timeoutMs: 10_000, describe: 'every ack' });
  });
});
