/**
 * The judge of an order by key: while workers, brokers and Postgres are killed and stopped one after the other, the
 * effects of each key have the order of the stream, and each event has one.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { findRepositoryRoot } from '#local-cluster';
import { createTestCluster, inBackground, type TestCluster, waitFor } from '#testing';
import { CREATE_HISTORY, type Numbered, ORDERED } from '../test/numbered-events.js';
import type { OrderedWorkerPlace } from '../test/ordered-worker.js';

const PROGRAM = join(findRepositoryRoot(), 'dist/libs/idempotent-consumer/src/test/ordered-worker.js');
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const WORKERS = 3;
/** How many effects have to follow each fault. */
const EFFECTS_BETWEEN = 30;
const TIMEOUT_MS = 60_000;
/** How far each key may be ahead of its effects, so that the workers can catch up at the end. */
const AHEAD_MAX = 250;

let cluster: TestCluster;
const workers: Worker[] = [];

/** A worker process, and what it last said. */
class Worker {
  private readonly child: ChildProcess;
  private state = 'starting';

  constructor(place: OrderedWorkerPlace) {
    this.child = fork(PROGRAM, [JSON.stringify(place)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.child.on('message', (message: { state: string }) => {
      this.state = message.state;
    });
  }

  get decides(): boolean {
    return (
      this.child.exitCode === null &&
      this.child.signalCode === null &&
      ['idle', 'working'].includes(this.state)
    );
  }

  /** Whether it ended by itself, which none should. */
  get hasEnded(): boolean {
    return this.child.exitCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

function startWorker(): void {
  const { natsUrls, postgresUrl, streamName } = cluster;
  workers.push(new Worker({ natsUrls, postgresUrl, stream: streamName }));
}

beforeAll(async () => {
  cluster = await createTestCluster();
  await cluster.pool.query(CREATE_HISTORY);
  const manager = await jetstreamManager(cluster.connection, { checkAPI: false });
  // Of three replicas, as the stream: a consumer of one would be lost with its broker for a while.
  await manager.consumers.add(cluster.streamName, {
    ...{ durable_name: ORDERED, ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All },
    ...{ ack_wait: nanos(2_000), max_ack_pending: 20_000, num_replicas: 3 },
  });
  for (let n = 0; n < WORKERS; n++) startWorker();
});

afterAll(async () => {
  for (const worker of workers) worker.kill('SIGKILL');
  await cluster.dispose();
});

/** Publishes until it is over. @returns the number of the last event of each key */
async function produce(over: AbortSignal): Promise<number> {
  let n = 0;
  while (!over.aborted) {
    n += 1;
    for (const key of KEYS) await publish({ key, n });
    if (n % 25 === 0) await effectsReach((n - AHEAD_MAX) * KEYS.length, () => over.aborted);
  }
  return n;
}

/** A publish without an answer is repeated, so some messages come twice in the stream. */
async function publish(event: Numbered): Promise<void> {
  const take = async (): Promise<boolean> => {
    const subject = `${cluster.subjectPrefix}.numbered`;
    await jetstream(cluster.connection).publish(subject, JSON.stringify(event), { timeout: 1_000 });
    return true;
  };
  await waitFor(take, { timeoutMs: TIMEOUT_MS, describe: 'the brokers to take an event' });
}

async function histories(): Promise<ReadonlyMap<string, readonly number[]>> {
  const { rows } = await cluster.pool.query<{ key: string; numbers: number[] }>(
    'SELECT * FROM public.history',
  );
  return new Map(rows.map(({ key, numbers }) => [key, numbers]));
}

async function effects(): Promise<number> {
  return [...(await histories()).values()].reduce((sum, { length }) => sum + length, 0);
}

/** Waits for a number of effects, unless it `isOver` before. */
async function effectsReach(count: number, isOver = () => false): Promise<void> {
  await waitFor(async () => isOver() || (await effects()) >= count, {
    timeoutMs: TIMEOUT_MS,
    describe: `${count} effects`,
  });
}

/** Waits for more effects than there are now. A connection of the test may have ended with those of the workers. */
async function effectsGrow(): Promise<void> {
  const now = await waitFor(async () => [await effects()], {
    timeoutMs: TIMEOUT_MS,
    describe: 'Postgres to answer',
  });
  await effectsReach((now[0] ?? 0) + EFFECTS_BETWEEN);
}

function theOneThatDecides(): Promise<Worker> {
  return waitFor(() => workers.find(({ decides }) => decides), {
    timeoutMs: TIMEOUT_MS,
    describe: 'a worker to decide',
  });
}

async function consumerLeader(): Promise<string> {
  const manager = await jetstreamManager(cluster.connection, { checkAPI: false });
  return waitFor(async () => (await manager.consumers.info(cluster.streamName, ORDERED)).cluster?.leader, {
    timeoutMs: TIMEOUT_MS,
    describe: 'the consumer to have a leader',
  });
}

const FAULTS: Readonly<Record<string, () => Promise<void>>> = {
  'a worker is killed': async () => {
    (await theOneThatDecides()).kill('SIGKILL');
    startWorker();
  },
  'a worker is stopped, and goes on when another one has taken over': async () => {
    const stopped = await theOneThatDecides();
    stopped.kill('SIGSTOP');
    await effectsGrow();
    stopped.kill('SIGCONT');
  },
  'the connections of workers to Postgres end': async () => {
    await cluster.pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  },
  'the broker that leads the consumer is killed': async () => {
    const node = cluster.brokers.node(await consumerLeader());
    const { exited } = node;
    node.kill('SIGKILL');
    await exited;
    await node.start();
  },
  'Postgres is killed': async () => {
    cluster.postgres.kill('SIGKILL');
    await cluster.postgres.exited;
    await cluster.postgres.start();
  },
  'everything is delivered once more': async () => {
    const manager = await jetstreamManager(cluster.connection, { checkAPI: false });
    const reset = (): Promise<unknown> => manager.consumers.reset(cluster.streamName, ORDERED, 1);
    // A broker that just came back may let a request pass without an answer.
    await waitFor(reset, { timeoutMs: TIMEOUT_MS, describe: 'the brokers to reset the consumer' });
  },
};

it('keeps the order of each key under every fault, and applies each event once', async () => {
  const producer = inBackground(produce);
  await effectsReach(EFFECTS_BETWEEN);
  for (const fault of Object.values(FAULTS)) {
    await fault();
    await effectsGrow();
  }
  expect(workers.filter(({ hasEnded }) => hasEnded)).toEqual([]);
  const last = await producer.end();
  await effectsReach(last * KEYS.length);
  const all = await histories();
  const inOrder = Array.from({ length: last }, (_, at) => at + 1);
  for (const key of KEYS) expect([key, all.get(key)]).toEqual([key, inOrder]);
}, 300_000);
