/**
 * Several handlers for the same events in one process. Each has its own consumer, its own inbox and its own
 * progress.
 */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { waitFor } from '#testing';
import { HandlerFixture } from '../test/handler-fixture.js';
import { InboxContext } from '../inbox-context.js';
import { OncePerEvent } from './once-per-event.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
  await fixture.addConsumer('quick');
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

@Controller()
class Quick {
  @OncePerEvent('quick')
  async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
    await transaction.query(KEEP, [`quick ${id}`]);
  }
}

describe('two handlers for one event', () => {
  it('each take effect once, and a failure of one does not affect the other', async () => {
    @Controller()
    class Strict {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [`strict ${id}`]);
        if (id === 'bad') throw new Error('not this one');
      }
    }

    await fixture.startNest([Strict, Quick], fixture.decode);
    await fixture.send('a', 'bad', 'a', 'b');
    const letters = await fixture.settled(5, 1);
    expect(letters).toMatchObject([{ event_id: 'bad', detail: 'not this one' }]);
    expect(await fixture.kept()).toEqual(['quick a', 'quick b', 'quick bad', 'strict a', 'strict b']);
    expect([await fixture.rowsOf('store', 'key'), await fixture.rowsOf('quick', 'key')]).toEqual([2, 3]);
    expect([
      await fixture.rowsOf('store', 'deadLetter'),
      await fixture.rowsOf('quick', 'deadLetter'),
    ]).toEqual([1, 0]);
  });

  it('do not wait for each other: while one holds all its transactions, the other processes every event', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let inFlight = 0;

    @Controller()
    class Slow {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        inFlight += 1;
        await transaction.query('SELECT 1');
        await released;
        await transaction.query(KEEP, [`slow ${id}`]);
      }
    }

    const { settings } = { settings: { batchSize: 1 } };
    await fixture.startNest([Slow, Quick], fixture.decode, { transport: { settings } });
    const ids = Array.from({ length: 60 }, (_, n) => `e${n}`);
    await fixture.send(...ids);
    await waitFor(() => inFlight === 2, {
      timeoutMs: 20_000,
      describe: 'the slow one to hold its transactions',
    });
    await fixture.settled(60, 0);
    expect((await fixture.kept()).every((id) => id.startsWith('quick'))).toBe(true);
    expect(fixture.hasObserved('outage-began')).toBe(false);
    release();
    await fixture.settled(120, 0);
    expect(new Set(await fixture.kept()).size).toBe(120);
  });
});

describe('wrong options of consumers', () => {
  it('are refused at the start, all at once, and no event is consumed', async () => {
    @Controller()
    class Wrong {
      @OncePerEvent('store', { onUnmatched: 'ack' })
      apply(): void {
        throw new Error('never called');
      }
    }

    const transport = { settings: { prefetch: 10, attemptsMax: 0 } };
    await fixture.send('a');
    await expect(fixture.startNest([Wrong, Quick], fixture.decode, { transport })).rejects.toThrow(
      /^The options of the consumers are wrong:\n {2}attemptsMax is 0.*\n {2}prefetch is 10.*\n {2}handler "store" has onUnmatched/,
    );
    expect(fixture.observed).toEqual([]);
  });
});
