/** The engine on its twins in memory: redelivery, outages, poison and shutdown, without a server and within milliseconds. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Batch } from './batch-inbox.js';
import { BatchProcessor } from './batch-processor.js';
import { DEFAULT_BOUNDS, type ConsumerBounds } from './bounds.js';
import { IdempotentConsumer } from './consumer.js';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { jsonDecoder } from './json-decoder.js';
import { MemoryConsumer } from './memory/memory-consumer.js';
import { MemoryInbox } from './memory/memory-inbox.js';
import { MemoryStream } from './memory/memory-stream.js';
import { OutageGate } from './outage-gate.js';
import type { Turn } from './order/turn.js';
import type { ConsumerEvent, Outcome } from './outcome.js';
import type { StreamHistory } from './stream-history.js';
import { Poison } from './verdict.js';

/** Half of it is left for a busy machine: progress is signalled by then. */
const ACK_WAIT_MS = 1_000;
const LONG_MS = 60_000;
const TIMEOUT_MS = 5_000;
const KEEP = 'INSERT INTO kept VALUES ($1)';

type Handler = (message: Message<unknown>, transaction: Transaction) => Promise<void>;

/** An inbox that cannot be reached for a while, as one in Postgres. */
class UnreliableInbox extends MemoryInbox<unknown> {
  isOut = false;

  override process(streamId: number, batch: Batch<unknown>, msMax?: number): Promise<Map<number, Outcome>> {
    if (!this.isOut) return super.process(streamId, batch, msMax);
    return Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  }
}

let stream: MemoryStream;
let durable: MemoryConsumer;
let inbox: UnreliableInbox;
let handler: Handler;
let history: StreamHistory;
let observed: ConsumerEvent[];
let onEvent: (event: ConsumerEvent) => void;
let running: IdempotentConsumer[];

beforeEach(() => {
  stream = new MemoryStream();
  durable = new MemoryConsumer(stream, 'tested', LONG_MS);
  handler = async ({ eventId }, transaction) => {
    await transaction.query(KEEP, [eventId]);
  };
  // One inbox for all processes, as in a database.
  inbox = new UnreliableInbox({ applyOne: (message, transaction) => handler(message, transaction) });
  history = {
    incarnation: () => Promise.resolve({ streamId: 1, segments: [] }),
    startOf: () => Promise.resolve(undefined),
    started: () => Promise.resolve(),
  };
  observed = [];
  onEvent = () => undefined;
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((consumer) => consumer.stop()));
  durable.delete();
});

/** Starts one more engine, as another process. */
async function start(settings: Partial<ConsumerBounds> = {}, turn?: Turn): Promise<IdempotentConsumer> {
  const observe = (event: ConsumerEvent): void => {
    observed.push(event);
    onEvent(event);
  };
  const gate = new OutageGate(observe);
  const bounds = { ...DEFAULT_BOUNDS, batchWaitMs: 1, attemptsMax: 2, retryDelayMs: 10, ...settings };
  const processor = new BatchProcessor(inbox, jsonDecoder, gate, bounds, observe);
  const recreate = (): Promise<void> => {
    durable.recreate();
    return Promise.resolve();
  };
  const parts = { source: durable, processor, gate, history, recreate, observe, turn };
  const consumer = new IdempotentConsumer(parts, bounds);
  running.push(consumer);
  await consumer.start();
  return consumer;
}

function publish(...ids: readonly string[]): void {
  for (const id of ids) stream.publish('events.test', JSON.stringify({ id }), { 'Nats-Msg-Id': id });
}

/** The ids that the handler kept, in the order of their commits: one that took effect twice is there twice. */
function kept(): unknown[] {
  return inbox.committed.map(({ values }) => values[0]);
}

/** Resolves when a condition holds. It is asked whenever something may have happened. */
async function becomes(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${TIMEOUT_MS} ms: ${String(holds)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function allSettled(): Promise<boolean> {
  const state = await durable.inspect().catch(() => undefined);
  return state?.pending === 0 && state.ackPending === 0;
}

/** A session that takes deliveries and never answers, as of a process that died over them. @returns their sequences */
function takeAndDie(room: number): number[] {
  const seqs: number[] = [];
  const session = durable.open({
    onDelivery: ({ seq }) => {
      seqs.push(seq);
      if (seqs.length === room) session.close();
    },
    onPullEnded: () => undefined,
    onLost: () => undefined,
  });
  session.request(room, DEFAULT_BOUNDS.prefetchBytes);
  return seqs;
}

function outcomesOf(seq: number): string[] {
  return observed.flatMap((event) => {
    const kind = event.type === 'committed' ? event.outcomes.get(seq)?.kind : undefined;
    return kind === undefined ? [] : [kind];
  });
}

function count(type: ConsumerEvent['type']): number {
  return observed.filter((event) => event.type === type).length;
}

describe('the engine on its twins', () => {
  it('applies each event once, however often it was published', async () => {
    publish('a', 'b', 'a');
    await start();
    publish('c', 'b');
    await becomes(allSettled);
    expect(kept()).toEqual(['a', 'b', 'c']);
    expect(outcomesOf(3)).toEqual(['duplicate']);
  });

  it('finds already processed what is delivered again because its ack was lost', async () => {
    durable = new MemoryConsumer(stream, 'impatient', ACK_WAIT_MS);
    onEvent = ({ type }) => {
      if (type === 'committed' && count('committed') === 1) stream.goDown();
    };
    publish('a');
    const consumer = await start();
    await becomes(() => count('session-lost') > 1);
    expect([kept(), consumer.health(TIMEOUT_MS).state]).toEqual([['a'], 'disconnected']);
    stream.comeBack();
    await becomes(allSettled);
    expect([outcomesOf(1)[0], outcomesOf(1).at(-1), kept()]).toEqual(['stored', 'already-processed', ['a']]);
  });

  it('takes over what a process held that died, after the ack wait', async () => {
    durable = new MemoryConsumer(stream, 'impatient', ACK_WAIT_MS);
    publish('a', 'b', 'c');
    const dead = takeAndDie(2);
    await becomes(() => dead.length === 2);
    const counts = new Map<string, number>();
    const keep = handler;
    handler = async (message, transaction) => {
      counts.set(message.eventId, message.delivery.deliveryCount);
      await keep(message, transaction);
    };
    await start();
    await becomes(allSettled);
    expect([...counts].sort()).toEqual([
      ['a', 2],
      ['b', 2],
      ['c', 1],
    ]);
    expect(kept().sort()).toEqual(['a', 'b', 'c']);
  });

  it('waits out an outage of the store, in which nothing is counted, given up or delivered again', async () => {
    durable = new MemoryConsumer(stream, 'impatient', ACK_WAIT_MS);
    inbox.isOut = true;
    publish('a', 'b');
    const consumer = await start();
    await becomes(() => count('outage-began') === 1);
    const beganMs = performance.now();
    expect(consumer.health(TIMEOUT_MS).state).toBe('waiting');
    // Without a sign of progress the broker would deliver both again, twice.
    await becomes(() => performance.now() - beganMs > 2.5 * ACK_WAIT_MS);
    expect((await durable.inspect())?.deliveryCount).toBe(2);
    inbox.isOut = false;
    await becomes(allSettled);
    expect(kept()).toEqual(['a', 'b']);
    expect(
      ['outage-began', 'outage-ended', 'dead-letter', 'failed'].map((type) => count(type as 'failed')),
    ).toEqual([1, 1, 0, 0]);
    expect((await durable.inspect())?.deliveryCount).toBe(2);
  });

  it('gives up poison at once and what fails after its attempts, and their neighbours take effect', async () => {
    const keep = handler;
    handler = async (message, transaction) => {
      if (message.eventId === 'poison') throw new Poison('bad', 'it is bad');
      await keep(message, transaction);
      if (message.eventId === 'failing') throw new Error('a bug');
    };
    publish('a', 'poison', 'b', 'failing', 'c');
    await start();
    await becomes(allSettled);
    expect(kept()).toEqual(['a', 'b', 'c']);
    expect(inbox.deadLetters.map(({ eventId, reason }) => [eventId, reason])).toEqual([
      ['poison', 'bad'],
      ['failing', 'effect_failed'],
    ]);
    expect((await durable.inspect())?.deliveryCount).toBe(6);
  });

  it('finishes what it works on when it stops, and hands back the rest to another process at once', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const called: string[] = [];
    const keep = handler;
    handler = async (message, transaction) => {
      called.push(message.eventId);
      await released;
      await keep(message, transaction);
    };
    publish('a', 'b', 'c', 'd');
    const first = await start({ batchSize: 1, batchesInFlight: 1 });
    await becomes(() => called.length === 1);
    const stopping = first.stop();
    release();
    await stopping;
    expect([called, kept()]).toEqual([['a'], ['a']]);
    expect((await durable.inspect())?.ackPending).toBe(3);
    await start();
    await becomes(allSettled);
    expect(kept().sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(count('isolated')).toBe(0);
  });

  it('hands back everything when it stops during an outage', async () => {
    inbox.isOut = true;
    publish('a', 'b');
    const first = await start();
    await becomes(() => count('outage-began') === 1);
    await first.stop();
    inbox.isOut = false;
    expect(kept()).toEqual([]);
    await start();
    await becomes(allSettled);
    expect(kept().sort()).toEqual(['a', 'b']);
  });

  it('goes on with a consumer that was deleted, once it is there again, and applies nothing twice', async () => {
    publish('a', 'b');
    await start();
    await becomes(allSettled);
    durable.delete();
    publish('c');
    await becomes(async () => (await durable.inspect()) !== undefined && allSettled());
    expect(kept()).toEqual(['a', 'b', 'c']);
    expect([outcomesOf(1), outcomesOf(3)]).toEqual([['stored', 'already-processed'], ['stored']]);
    expect(observed).toContainEqual({ type: 'session-lost', reason: '409 consumer deleted' });
  });

  it('puts the consumer back to where the history of the stream says, before it takes anything', async () => {
    publish('a', 'b', 'c');
    const first = await start();
    await becomes(allSettled);
    await first.stop();
    const starts = [2];
    const started: number[] = [];
    history = {
      ...history,
      startOf: () => {
        const seq = starts.pop();
        return Promise.resolve(seq === undefined ? undefined : { seq });
      },
      started: (_incarnation, { seq }) => Promise.resolve(void started.push(seq)),
    };
    await start();
    await becomes(async () => (await allSettled()) && outcomesOf(3).length === 2);
    expect([started, outcomesOf(1), outcomesOf(2)]).toEqual([
      [2],
      ['stored'],
      ['stored', 'already-processed'],
    ]);
    expect(kept()).toEqual(['a', 'b', 'c']);
  });

  it('goes on in order after a session ended before the stream answered about its deliveries', async () => {
    let answer = (): void => undefined;
    let asked = 0;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const publishedMs = durable.publishedMs.bind(durable);
    durable.publishedMs = async (seq) => {
      if (asked++ === 0) await answered;
      return publishedMs(seq);
    };
    let lose: ((reason: string) => void) | undefined;
    const turn: Turn = {
      take: () => Promise.resolve(),
      begin: (_state, _deliveredSeq, end) => {
        lose = end;
      },
      stop: () => Promise.resolve(),
      ...{ isStandby: false, isFull: false },
    };
    publish('a', 'b', 'c', 'd');
    const consumer = await start({ prefetch: 2, batchesInFlight: 1 }, turn);
    await becomes(() => consumer.health(TIMEOUT_MS).held === 2);
    lose?.('another process decides');
    await becomes(() => count('session-opened') === 2);
    answer();
    await becomes(allSettled);
    expect(kept()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('shares a stream with other processes, and each event takes effect in one of them', async () => {
    const ids = Array.from({ length: 500 }, (_, n) => `e${String(n).padStart(3, '0')}`);
    const bounds = { batchSize: 10, prefetch: 20 };
    publish(...ids.slice(0, 250));
    await Promise.all([start(bounds), start(bounds), start(bounds)]);
    publish(...ids);
    await becomes(allSettled);
    expect(kept().sort()).toEqual(ids);
    expect((await durable.inspect())?.deliveryCount).toBe(750);
  });
});
