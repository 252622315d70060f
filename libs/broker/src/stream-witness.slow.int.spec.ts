/** What a leader says that was cut off from the others must not be taken for the stream. */
import { expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { BrokerSplit, createTestCluster, waitFor } from '#testing';
import { StreamWitness } from './stream-witness.js';

const STREAM = 'WITNESSED';
const TAKEN_TIMEOUT_MS = 60_000;

it('reports no end of a stream from a leader that was cut off, while the others go on', async () => {
  const split = new BrokerSplit();
  const { brokers, connection } = await createTestCluster({ split });
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await manager.streams.add({
    name: STREAM,
    subjects: [`${STREAM}.>`],
    num_replicas: 3,
    storage: StorageType.File,
  });
  const send = async (): Promise<number> => (await jetstream(connection).publish(`${STREAM}.x`, 'x')).seq;
  const before = await send();
  const leader = (await manager.streams.info(STREAM)).cluster?.leader ?? '';
  const urlOf = (isLeader: boolean): string =>
    brokers.urls.find((_, index) => (brokers.nodes[index]?.name === leader) === isLeader) ?? '';
  const [cutOff, other] = await Promise.all(
    [true, false].map((isLeader) => connect({ servers: urlOf(isLeader), ignoreClusterUpdates: true })),
  );
  if (!cutOff || !other) throw new Error('both are connected');
  try {
    const witness = new StreamWitness(cutOff, STREAM);
    expect(await witness.bounds()).toEqual({ firstSeq: before, lastSeq: before });
    split.cutOff(leader);
    // As soon as the others have taken a message, what the old leader says is wrong.
    await waitFor(
      async () =>
        jetstream(other)
          .publish(`${STREAM}.x`, 'x', { timeout: 1_000 })
          .catch(() => undefined),
      { timeoutMs: TAKEN_TIMEOUT_MS, describe: 'the others to have taken a message' },
    );
    await expect(witness.bounds()).rejects.toThrow();
    split.heal();
    const whole = async (): Promise<boolean> =>
      (await witness.bounds().catch(() => undefined))?.lastSeq === before + 1;
    await waitFor(whole, { timeoutMs: TAKEN_TIMEOUT_MS, describe: 'the whole stream to be seen' });
  } finally {
    await Promise.all([cutOff.close(), other.close()]);
  }
});
