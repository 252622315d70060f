/**
 * A split separates brokers, but no client. The majority goes on meanwhile, and the cluster is whole again afterwards.
 */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { BrokerSplit } from './broker-split.js';
import { waitFor } from './condition.js';
import { createTestCluster, type TestCluster } from './test-system.js';

async function publishOver(connection: NatsConnection, cluster: TestCluster): Promise<number> {
  const ack = await jetstream(connection).publish(`${cluster.subjectPrefix}.a`, '{}', { timeout: 2_000 });
  return ack.seq;
}

describe.each(['silent', 'open'] as const)('a split that is %s', (manner) => {
  it('leaves the cut-off broker without a quorum and the two others with one', async () => {
    const split = new BrokerSplit();
    const cluster = await createTestCluster({ split });
    const [one, ...others] = cluster.brokers.nodes;
    if (one === undefined) throw new Error('there is no broker');
    const alone = await connect({ servers: one.url });
    const together = await connect({ servers: others.map(({ url }) => url) });
    try {
      split.cutOff(one.name, manner);
      const taken = (): Promise<number> => publishOver(together, cluster);
      await waitFor(taken, { timeoutMs: 40_000, describe: 'the majority to take a message' });
      await alone.flush();
      await expect(publishOver(alone, cluster)).rejects.toThrow();
      split.heal();
      await waitFor(() => publishOver(alone, cluster), {
        timeoutMs: 60_000,
        describe: 'the broker that was alone to be part of the cluster again',
      });
      const manager = await jetstreamManager(together, { checkAPI: false });
      await waitFor(async () => (await manager.streams.info(cluster.streamName)).state.messages >= 2, {
        timeoutMs: 20_000,
        describe: 'both messages',
      });
    } finally {
      await Promise.all([alone.close(), together.close()]);
      await cluster.dispose();
    }
  }, 180_000);
});
