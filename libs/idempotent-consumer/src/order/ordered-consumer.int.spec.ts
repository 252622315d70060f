/** Consumers that keep the order of keys: what waits, what goes on, and what no fault can change. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { Numbered } from '../test/numbered-events.js';
import { OrderedFixture, type OrderedWorker } from '../test/ordered-fixture.js';
import { Poison, RetryLater } from '../verdict.js';
import { heldKeys, releaseKey } from './held-keys.js';

let fixture: OrderedFixture;

beforeEach(async () => {
  fixture = await OrderedFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

/** Events of keys in turn: a1 b1 c1 a2 b2 c2 … */
function inTurn(keys: readonly string[], count: number): Numbered[] {
  return Array.from({ length: count }, (_, at) => keys.map((key) => ({ key, n: at + 1 }))).flat();
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

describe('an event that fails', () => {
  it('has those behind it of its key wait in order, while other keys go on', async () => {
    let isMended = false;
    await fixture.publish(inTurn(['a', 'b'], 30));
    await fixture.start({
      before: ({ key, n }) => {
        if (key === 'a' && n === 3 && !isMended) throw new RetryLater(100);
      },
    });
    const others = await fixture.applied(32);
    expect([others.get('a'), others.get('b')]).toEqual([upTo(2), upTo(30)]);
    await fixture.settled();
    expect(await fixture.rows('parked', 'count(*)::integer AS count')).toEqual([{ count: 28 }]);
    await fixture.publish([{ key: 'a', n: 31 }]);
    isMended = true;
    const all = await fixture.applied(61);
    expect(all.get('a')).toEqual(upTo(31));
    await waitFor(async () => (await fixture.rows('blocked', 'key')).length === 0, {
      timeoutMs: 20_000,
      describe: 'no key to be blocked',
    });
    expect(await fixture.rows('parked', 'seq')).toEqual([]);
  });

  it('is retried before those behind it take effect, wherever it is in a batch', async () => {
    const failures = new Map<string, number>();
    await fixture.publish(inTurn(['a', 'b', 'c'], 20));
    await fixture.start({
      before: (event) => {
        const name = JSON.stringify(event);
        const failed = failures.get(name) ?? 0;
        failures.set(name, failed + 1);
        if (event.n % 4 === 0 && failed < 2) throw new Error('not yet');
      },
    });
    const all = await fixture.applied(60);
    for (const key of ['a', 'b', 'c']) expect(all.get(key)).toEqual(upTo(20));
    await waitFor(async () => (await fixture.rows('attempt', 'seq')).length === 0, {
      timeoutMs: 20_000,
      describe: 'every count of attempts to be cleared',
    });
    expect(await fixture.rows('dead_letter', 'seq')).toEqual([]);
  });

  it('leaves the stream its turn after a restart, also where some such event is due at any time', async () => {
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    const before = ({ key }: Numbered): void => {
      if (key !== 'z') throw new RetryLater(20);
    };
    await fixture.publish(inTurn(keys, 1));
    const first = await fixture.start({ before });
    await fixture.settled();
    await first.stop();
    await fixture.publish([{ key: 'z', n: 1 }]);
    await fixture.start({ before });
    expect((await fixture.applied(1)).get('z')).toEqual([1]);
    expect(await fixture.rows('parked', 'count(*)::integer AS count')).toEqual([{ count: 20 }]);
  });

  it('becomes a dead letter, and its key goes on', async () => {
    await fixture.publish(inTurn(['a', 'b'], 10));
    await fixture.start({
      before: ({ key, n }) => {
        if (key === 'a' && n === 4) throw new Error('never');
        if (key === 'b' && n === 2) throw new Poison('wrong');
      },
    });
    const all = await fixture.applied(18);
    expect(all.get('a')).toEqual(upTo(10).filter((n) => n !== 4));
    expect(all.get('b')).toEqual(upTo(10).filter((n) => n !== 2));
    expect(await fixture.rows('dead_letter', 'event_id, reason')).toEqual([
      { event_id: 'a:4', reason: 'effect_failed' },
      { event_id: 'b:2', reason: 'wrong' },
    ]);
  });

  it('becomes a dead letter with its topic and id when the handler is no longer for its subject', async () => {
    await fixture.publish([{ key: 'a', n: 1 }]);
    const first = await fixture.start({
      before: () => {
        throw new RetryLater(100);
      },
    });
    await fixture.settled();
    await first.stop();
    await fixture.start({ decode: () => ({ ok: false, ignored: true }) });
    const found = await waitFor(
      async () => {
        const rows = await fixture.rows('dead_letter', 'topic, event_id, reason');
        return rows.length > 0 ? rows : undefined;
      },
      { timeoutMs: 60_000, describe: 'the parked event to become a dead letter' },
    );
    expect(found).toEqual([{ topic: 'numbered', event_id: 'a:1', reason: 'unmatched' }]);
  });

  it('is a dead letter without a key, and no other event waits', async () => {
    await fixture.publish(inTurn(['a', 'b'], 2));
    await fixture.start({ orderBy: ({ key }) => (key === 'b' ? (undefined as never) : key) });
    await fixture.applied(2);
    await fixture.settled();
    expect(await fixture.rows('dead_letter', 'event_id, reason')).toEqual([
      { event_id: 'b:1', reason: 'no_order_key' },
      { event_id: 'b:2', reason: 'no_order_key' },
    ]);
  });
});

describe('an event that ends processes', () => {
  it('is found by the count of its attempts, and the others of its batch take effect in order', async () => {
    await fixture.publish(inTurn(['a', 'b'], 6));
    const workers: OrderedWorker[] = [];
    const startNext = async (): Promise<void> => {
      const next = await fixture.start({
        settings: { isolateAfterDeliveries: 1, attemptsMax: 2 },
        before: ({ key, n }, worker) => {
          if (key === 'a' && n === 3) worker.dieAt(1);
        },
      });
      workers.push(next);
    };
    await startNext();
    await waitFor(
      async () => {
        if (workers.at(-1)?.isDead === true) await startNext();
        return (await fixture.rows('dead_letter', 'seq')).length > 0;
      },
      { timeoutMs: 50_000, describe: 'the event to be given up' },
    );
    const all = await fixture.applied(11);
    expect([all.get('a'), all.get('b')]).toEqual([[1, 2, 4, 5, 6], upTo(6)]);
    expect(await fixture.rows('dead_letter', 'event_id, reason')).toEqual([
      { event_id: 'a:3', reason: 'process_ended' },
    ]);
    expect(workers.filter(({ isDead }) => isDead).length).toBeGreaterThanOrEqual(2);
  }, 180_000);
});

describe('several workers', () => {
  it('take turns: one decides and the others stand by, and one of them goes on when it stops', async () => {
    const first = await fixture.start();
    const second = await fixture.start();
    await fixture.publish(inTurn(['a'], 10));
    await fixture.applied(10);
    // An effect is there before its worker has the answer to its commit. The lease may move on a slow machine.
    const idle = await waitFor(
      () => {
        const states = [first, second].map(({ consumer }) => consumer.health().state);
        return states.includes('standby') ? [first, second][states.indexOf('idle')] : undefined;
      },
      { timeoutMs: 30_000, describe: 'one idle worker, and one that stands by' },
    );
    await idle.stop();
    await fixture.publish(
      upTo(20)
        .slice(10)
        .map((n) => ({ key: 'a', n })),
    );
    expect((await fixture.applied(20)).get('a')).toEqual(upTo(20));
  });

  it('go on when the one that decides cannot reach the brokers any more', async () => {
    const first = await fixture.start();
    await fixture.start();
    await fixture.publish(inTurn(['a'], 10));
    await fixture.applied(10);
    await first.loseBrokers();
    await fixture.publish(
      upTo(20)
        .slice(10)
        .map((n) => ({ key: 'a', n })),
    );
    expect((await fixture.applied(20)).get('a')).toEqual(upTo(20));
  });

  it('keep the order although another client takes deliveries, and answers none of them', async () => {
    // Its first request is for 20 messages. Those behind them are for the other client, which asked next.
    const { consumer } = await fixture.start({ settings: { batchSize: 10, prefetch: 20 } });
    await waitFor(() => consumer.health().state === 'idle', { timeoutMs: 30_000, describe: 'a session' });
    const taken = await fixture.takeAway(5);
    await fixture.publish(inTurn(['a'], 60));
    expect(await taken()).toBeGreaterThan(0);
    expect((await fixture.applied(60)).get('a')).toEqual(upTo(60));
  });

  it('keep the order while workers die, connections end, events fail and messages come again', async () => {
    const [keys, count] = [['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 60];
    const failures = new Map<string, number>();
    const before = (event: Numbered): void => {
      const name = JSON.stringify(event);
      const failed = failures.get(name) ?? 0;
      failures.set(name, failed + 1);
      if (event.n % 7 === 0 && failed < 1) throw new Error('not yet');
    };
    const start = (): Promise<OrderedWorker> => fixture.start({ before });
    const workers = [await start(), await start()];
    const events = inTurn(keys, count);
    const half = events.length / 2;
    await fixture.publish(events.slice(0, half));
    for (const [fault, statements] of [23, 61, 9].entries()) {
      const theOneThatDecides = (): OrderedWorker | undefined =>
        workers.find(
          ({ isDead, consumer }) => !isDead && ['idle', 'working'].includes(consumer.health().state),
        );
      const hasOneDied = (): boolean => workers.filter(({ isDead }) => isDead).length > fault;
      let active = await waitFor(theOneThatDecides, { timeoutMs: 60_000, describe: 'a worker to decide' });
      active.dieAt(statements);
      await fixture.publish(events.slice(half + fault * 40, half + (fault + 1) * 40));
      // Some come a second time in the stream, and once all are delivered again.
      await fixture.publish(events.slice(fault * 30, fault * 30 + 10));
      if (fault === 0) await fixture.rewind(1);
      workers.push(await start());
      // The one that was chosen may have lost its lease, and then does nothing that it could die at.
      const dies = (): boolean => {
        const next = theOneThatDecides();
        if (hasOneDied() || next === undefined || next === active) return hasOneDied();
        active.dieAt(Infinity);
        active = next;
        active.dieAt(statements);
        return false;
      };
      await waitFor(dies, { timeoutMs: 120_000, describe: 'the worker to die' });
    }
    await fixture.publish(events.slice(half + 120));
    await fixture.system.pool
      .query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      .catch(() => undefined);
    const all = await fixture.applied(keys.length * count, 120_000);
    for (const key of keys) expect([key, all.get(key)]).toEqual([key, upTo(count)]);
    await fixture.settled();
    expect(await fixture.histories()).toEqual(all);
    expect(workers.filter(({ isDead }) => isDead)).toHaveLength(3);
  }, 240_000);
});

describe('a dead letter that holds its key', () => {
  const name = { consumer: 'ordered' };

  async function holdKeyA(before: (event: Numbered) => void): Promise<OrderedWorker> {
    await fixture.publish(inTurn(['a', 'b'], 10));
    const worker = await fixture.start({ onDeadLetter: 'hold', before });
    const held = await fixture.applied(13);
    expect([held.get('a'), held.get('b')]).toEqual([upTo(3), upTo(10)]);
    await fixture.settled();
    return worker;
  }

  function refuseFourth({ key, n }: Numbered): void {
    if (key === 'a' && n === 4) throw new Poison('wrong');
  }

  it('has those behind it wait until it is skipped, also when another worker goes on', async () => {
    const first = await holdKeyA(refuseFourth);
    const { pool } = fixture.system;
    expect(await heldKeys(pool, name)).toMatchObject([
      { key: 'a', topic: 'numbered', eventId: 'a:4', reason: 'wrong', waiting: 6 },
    ]);
    await first.stop();
    await fixture.start({ onDeadLetter: 'hold', before: refuseFourth });
    await fixture.publish([...inTurn(['a'], 11).slice(10), { key: 'b', n: 11 }]);
    const still = await fixture.applied(14);
    expect([still.get('a'), still.get('b')]).toEqual([upTo(3), upTo(11)]);
    expect(await releaseKey(pool, name, 'a', 'skip')).toBe(true);
    expect(await releaseKey(pool, name, 'a', 'skip')).toBe(false);
    expect((await fixture.applied(21)).get('a')).toEqual(upTo(11).filter((n) => n !== 4));
    expect(await fixture.rows('dead_letter', 'event_id')).toEqual([{ event_id: 'a:4' }]);
    await fixture.publish([{ key: 'a', n: 12 }]);
    await fixture.applied(22);
    expect(await heldKeys(pool, name)).toEqual([]);
  });

  it('takes effect in its place when it is processed again, and is not a dead letter any more', async () => {
    let isMended = false;
    await holdKeyA((event) => {
      if (!isMended) refuseFourth(event);
    });
    const { pool } = fixture.system;
    expect(await releaseKey(pool, name, 'a', 'again')).toBe(true);
    await waitFor(async () => (await heldKeys(pool, name)).length === 1, {
      timeoutMs: 20_000,
      describe: 'the key to be held once more',
    });
    isMended = true;
    await releaseKey(pool, name, 'a', 'again');
    expect((await fixture.applied(20)).get('a')).toEqual(upTo(10));
    expect(await fixture.rows('dead_letter', 'event_id')).toEqual([]);
    const figures = 'sum(stored)::integer AS stored, sum(dead_letters)::integer AS dead';
    expect(await fixture.rows('counter', figures)).toEqual([{ stored: 20, dead: 0 }]);
  });
});
