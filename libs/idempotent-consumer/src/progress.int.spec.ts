/**
 * The ack wait bounds how late a delivery of a dead process comes back, and not how long its work may take.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HandlerFixture } from './test/handler-fixture.js';

const ACK_WAIT_MS = 1_000;
let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create(ACK_WAIT_MS);
});

afterEach(async () => {
  await fixture.dispose();
});

describe('work that takes longer than the ack wait', () => {
  it('is done once: neither its event nor a waiting one is delivered again', async () => {
    const calls: string[] = [];
    await fixture.start(
      async (fresh, transaction) => {
        const ids = fresh.map(({ eventId }) => eventId);
        calls.push(...ids);
        if (ids.includes('long')) await transaction.query('SELECT pg_sleep($1)', [(3 * ACK_WAIT_MS) / 1_000]);
        await transaction.query('INSERT INTO public.kept SELECT unnest($1::text[])', [ids]);
      },
      { settings: { batchSize: 1, batchesInFlight: 1, prefetch: 50 } },
    );
    await fixture.send('long', ...Array.from({ length: 20 }, (_, n) => `e${n}`));
    await fixture.settled(21, 0);
    await fixture.nothingUnsettled();
    expect(calls).toHaveLength(21);
    // A redelivery would have been counted.
    expect((await fixture.info()).delivered.consumer_seq).toBe(21);
  });

  it('is signalled only until handlerMsMax: the event of a handler that hangs becomes a dead letter', async () => {
    await fixture.start(() => new Promise(() => undefined), {
      settings: { handlerMsMax: 3 * ACK_WAIT_MS, attemptsMax: 1 },
    });
    await fixture.send('hang');
    expect(await fixture.settled(0, 1)).toMatchObject([{ event_id: 'hang', reason: 'too_slow' }]);
    await fixture.nothingUnsettled();
    // Its progress was signalled meanwhile, so it was delivered once.
    expect((await fixture.info()).delivered.consumer_seq).toBe(1);
  });
});
