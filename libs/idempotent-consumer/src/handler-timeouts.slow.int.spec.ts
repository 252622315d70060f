/** A handler that never returns harms its own event only. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { HandlerFixture } from './test/handler-fixture.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** Never returns for events whose id begins with `hang`, and keeps all others. */
async function keepOrHang(fresh: readonly Message<string>[], transaction: Transaction): Promise<void> {
  if (fresh.some(({ eventId }) => eventId.startsWith('hang'))) await never();
  await transaction.query('INSERT INTO public.kept SELECT unnest($1::text[])', [
    fresh.map(({ eventId }) => eventId),
  ]);
}

/** Other handlers return sooner, also on a busy machine. */
const settings = { handlerMsMax: 1_500 };

describe('a handler without a time limit', () => {
  it('is called as one with a limit', async () => {
    await fixture.start(keepOrHang, { settings: { handlerMsMax: Infinity } });
    await fixture.send('a');
    await fixture.settled(1, 0);
    expect(fixture.hasObserved('failed')).toBe(false);
  });
});

describe('a handler that never returns', () => {
  it('turns its event into a dead letter that names the time limit, and its neighbours are stored', async () => {
    await fixture.start(keepOrHang, { settings });
    await fixture.send('a', 'hang', 'b');
    expect(await fixture.settled(2, 1)).toMatchObject([
      {
        event_id: 'hang',
        reason: 'too_slow',
        detail: expect.stringMatching(/handler "test" did not return within 1500 ms.*raise handlerMsMax/),
      },
    ]);
    expect(await fixture.kept()).toEqual(['a', 'b']);
    // Each attempt is reported, with its error.
    const failed = fixture.observed.filter((event) => event.type === 'failed');
    expect(failed.map(({ attempts, error }) => `${attempts}: ${String(error)}`)).toEqual([
      '1: HandlerTimeoutError: handler "test" did not return within 1500 ms',
      '2: HandlerTimeoutError: handler "test" did not return within 1500 ms',
    ]);
  });

  it('does not stop the consumer, even for four events: others are stored before these are dead letters', async () => {
    await fixture.start(keepOrHang, { settings: { ...settings, batchSize: 1, batchesInFlight: 2 } });
    await fixture.send('hang-1', 'hang-2', 'hang-3', 'hang-4', 'a', 'b', 'c');
    await fixture.settled(3, 0);
    expect((await fixture.deadLetters()).length).toBeLessThan(4);
    await fixture.settled(3, 4);
    expect(await fixture.kept()).toEqual(['a', 'b', 'c']);
  });

  it('in a statement without a bound has that statement ended, so that no other waits for its locks', async () => {
    await fixture.start(
      async (fresh, transaction) => {
        if (fresh.some(({ eventId }) => eventId === 'hang')) await transaction.query('SELECT pg_sleep(600)');
        await keepOrHang(fresh, transaction);
      },
      { settings },
    );
    await fixture.send('hang', 'a');
    expect(await fixture.settled(1, 1)).toMatchObject([{ event_id: 'hang', reason: 'too_slow' }]);
    const { rows } = await fixture.system.pool.query(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'`,
    );
    expect(rows).toEqual([]);
  });

  it('does not delay a stop: its event is handed back, and no attempt is counted', async () => {
    let calls = 0;
    await fixture.start(
      () => {
        calls += 1;
        return never();
      },
      { settings: { handlerMsMax: 3_600_000 } },
    );
    await fixture.send('hang');
    await waitFor(() => calls === 1, { timeoutMs: 20_000, describe: 'the handler is called' });
    await fixture.stop();
    expect((await fixture.system.pool.query('SELECT * FROM inbox.test_attempt')).rows).toEqual([]);
    expect(fixture.hasObserved('failed')).toBe(false);
  });
});
