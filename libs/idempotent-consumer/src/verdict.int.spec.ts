/** An event for which a handler throws `Poison` or `RetryLater` ends as that says. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { HandlerFixture } from './test/handler-fixture.js';
import { Poison, RetryLater } from './verdict.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

async function keep(fresh: readonly Message<string>[], transaction: Transaction): Promise<void> {
  await transaction.query('INSERT INTO public.kept SELECT unnest($1::text[])', [
    fresh.map(({ eventId }) => eventId),
  ]);
}

async function attempts(): Promise<unknown[]> {
  const { rows } = await fixture.system.pool.query<{ seq: number }>('SELECT seq FROM inbox.test_attempt');
  return rows;
}

describe('an event for which a handler throws Poison', () => {
  it('is a dead letter at once, with the reason, and its neighbours are stored', async () => {
    let calls = 0;
    await fixture.start(
      async (fresh, transaction) => {
        if (fresh.length === 1 && fresh[0]?.eventId === 'bad') calls += 1;
        if (fresh.some(({ eventId }) => eventId === 'bad')) throw new Poison('negative_amount', 'it is -5');
        await keep(fresh, transaction);
      },
      // A retry would come only after an hour.
      { settings: { retryDelayMs: 3_600_000 } },
    );
    await fixture.send('a', 'bad', 'b');
    expect(await fixture.settled(2, 1)).toEqual([
      { event_id: 'bad', reason: 'negative_amount', detail: 'it is -5' },
    ]);
    expect(calls).toBe(1);
    expect(fixture.hasObserved('failed')).toBe(false);
  });
});

describe('an event for which a handler throws RetryLater', () => {
  it.each([1_000, 0])(
    'is delivered again after that delay, each time, and no attempt is counted (isolateAfterDeliveries is %i)',
    async (isolateAfterDeliveries) => {
      const calledMs: number[] = [];
      await fixture.start(
        async (fresh, transaction) => {
          calledMs.push(performance.now());
          if (calledMs.length <= 4) throw new RetryLater(300);
          await keep(fresh, transaction);
        },
        { settings: { attemptsMax: 1, isolateAfterDeliveries, retryDelayMs: 3_600_000 } },
      );
      await fixture.send('early');
      await fixture.settled(1, 0);
      const pauses = calledMs.slice(1).map((ms, at) => ms - (calledMs[at] ?? 0));
      expect(pauses).toHaveLength(4);
      // The broker guarantees the delay; a longer pause says nothing.
      expect(Math.min(...pauses)).toBeGreaterThanOrEqual(295);
      expect(await fixture.deadLetters()).toEqual([]);
      expect(fixture.hasObserved('failed')).toBe(false);
      expect(await attempts()).toEqual([]);
    },
  );

  it('does not delay other events of its batch in a handler of single events', async () => {
    await fixture.startWith({
      applyOne: async (message, transaction) => {
        if (message.eventId === 'early') throw new RetryLater(3_600_000);
        await keep([message], transaction);
      },
    });
    await fixture.send('a', 'b', 'early', 'c', 'd');
    await fixture.settled(4, 0);
    expect(await fixture.kept()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('must have a delay of 0 or more', () => {
    expect(() => new RetryLater(-1)).toThrow(RangeError);
    expect(() => new RetryLater(NaN)).toThrow(RangeError);
  });
});
