/** No statement of a handler is executed outside of its transaction. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Transaction } from './effect.js';
import { HandlerFixture } from './test/handler-fixture.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

describe('a statement of a handler', () => {
  it('that the handler does not await is rolled back, and the dead letter names the handler', async () => {
    await fixture.start((fresh, transaction) => {
      for (const { eventId } of fresh) void transaction.query(KEEP, [eventId]);
      return Promise.resolve();
    });
    await fixture.send('a');
    const letters = await fixture.settled(0, 1);
    expect(letters).toMatchObject([{ event_id: 'a', reason: 'effect_failed' }]);
    expect(letters[0]?.detail).toBe(
      `handler "test" returned before this statement was answered: ${KEEP}; the handler lacks an "await"`,
    );
    expect(await fixture.kept()).toEqual([]);
  });

  it('that comes after the end of the call throws, names the handler, and is not executed', async () => {
    const seen: Transaction[] = [];
    await fixture.start(async (fresh, transaction) => {
      seen.push(transaction);
      for (const { eventId } of fresh) await transaction.query(KEEP, [eventId]);
    });
    await fixture.send('a');
    await fixture.settled(1, 0);
    await expect(seen[0]?.query(KEEP, ['late'])).rejects.toThrow(
      `handler "test" had ended before it sent this statement, so it was not executed: ${KEEP}`,
    );
    expect(await fixture.kept()).toEqual(['a']);
    expect(fixture.hasObserved('late-statement')).toBe(true);
  });

  it('that comes between the return of the handler and the commit throws', async () => {
    const late: Promise<unknown>[] = [];
    await fixture.start(async (fresh, transaction) => {
      for (const { eventId } of fresh) await transaction.query(KEEP, [eventId]);
      // Right after the handler has returned, and before the COMMIT can have been sent.
      late.push(
        new Promise((resolve) => setImmediate(resolve)).then(() => transaction.query(KEEP, ['late'])),
      );
      late[0]?.catch(() => undefined);
    });
    await fixture.send('a');
    await fixture.settled(1, 0);
    await expect(late[0]).rejects.toThrow('had ended before it sent this statement');
    expect(await fixture.kept()).toEqual(['a']);
  });
});
