/** A durable consumer of JetStream and its twin in memory keep one contract. */
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, nanos, type NatsConnection } from '@nats-io/nats-core';
import { createTestSystem, waitFor } from '#testing';
import { DurableConsumer } from './jetstream/durable-consumer.js';
import { MemoryConsumer } from './memory/memory-consumer.js';
import { MemoryStream } from './memory/memory-stream.js';
import { sourceConformance } from './test/source-conformance.js';
import type { SourceImplementation } from './test/source-fixture.js';

async function onBrokers(): Promise<SourceImplementation> {
  const system = await createTestSystem({ replicas: 1 });
  const { connection } = system;
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const names: string[] = [];
  return {
    ackWaitMs: 1_000,
    begin: async (ackWaitMs) => {
      const stream = `${system.streamName}_${names.length}`;
      names.push(stream);
      await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
      const consumer = {
        ...{ durable_name: 'tested', ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All },
        ...{ ack_wait: nanos(ackWaitMs), max_deliver: -1 },
      };
      // The leader of all brokers may hear of the stream later than the one that has it.
      await waitFor(() => manager.consumers.add(stream, consumer), {
        timeoutMs: 10_000,
        describe: 'the consumer to be created',
      });
      await answers(connection, `$JS.API.CONSUMER.MSG.NEXT.${stream}.tested`);
      return {
        source: new DurableConsumer(connection, { stream, consumer: 'tested', identityKey: 'identity' }),
        publish: async (token, body, given = {}) => {
          const sent = headers();
          for (const [name, value] of Object.entries(given)) sent.set(name, value);
          const options = Object.keys(given).length === 0 ? {} : { headers: sent };
          return (await jetstream(connection).publish(`${stream}.${token}`, body, options)).seq;
        },
        deleteMessage: async (seq) => {
          await manager.streams.deleteMessage(stream, seq);
        },
        deleteConsumer: async () => {
          await manager.consumers.delete(stream, 'tested');
        },
      };
    },
    dispose: async () => {
      for (const name of names) await manager.streams.delete(name);
      await system.dispose();
    },
  };
}

/** Waits until every broker knows who leads a consumer that was created a moment ago. Before, a request has no responders. */
async function answers(connection: NatsConnection, subject: string): Promise<void> {
  const request = JSON.stringify({ batch: 1, no_wait: true });
  await waitFor(
    () => connection.request(subject, request).then(({ headers: status }) => status?.code === 404),
    {
      timeoutMs: 20_000,
      describe: 'the consumer to answer',
    },
  );
}

function inMemory(): Promise<SourceImplementation> {
  return Promise.resolve({
    ackWaitMs: 80,
    begin: (ackWaitMs) => {
      const stream = new MemoryStream();
      const source = new MemoryConsumer(stream, 'tested', ackWaitMs);
      return Promise.resolve({
        source,
        publish: (token, body, given) => Promise.resolve(stream.publish(`memory.${token}`, body, given)),
        deleteMessage: (seq) => {
          stream.delete(seq);
          return Promise.resolve();
        },
        deleteConsumer: () => {
          source.delete();
          return Promise.resolve();
        },
      });
    },
    dispose: () => Promise.resolve(),
  });
}

sourceConformance('a durable consumer of JetStream', onBrokers);
sourceConformance('a durable consumer in memory', inMemory);
