/** Handlers of Nest, on a real broker and a real Postgres. */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { z } from 'zod';
import type { Decoder, Message } from '../delivery.js';
import { HandlerFixture } from '../test/handler-fixture.js';
import { Poison } from '../verdict.js';
import { BatchContext } from '../batch-context.js';
import { InboxContext } from '../inbox-context.js';
import { OncePerEvent } from './once-per-event.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const Payment = z.object({ id: z.string(), amount: z.number() });
type Payment = z.infer<typeof Payment>;

const decode: Decoder<unknown> = (delivery) => {
  const event = JSON.parse(Buffer.from(delivery.data).toString()) as { id: string };
  const topic = delivery.subject.split('.')[1] ?? '';
  return { ok: true, message: { delivery, topic, eventId: event.id, digest: 1n, event } };
};

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

async function pay(id: string, amount: unknown = 1, topic = 'payments'): Promise<void> {
  await fixture.publish(topic, JSON.stringify({ id, amount }));
}

/** The calls of the handler, each with its event. */
const seen: { payment: Payment; eventId: string }[] = [];

@Controller()
class Balances {
  @OncePerEvent('store', { schema: Payment })
  async apply(@Payload() payment: Payment, @Ctx() { transaction, event }: InboxContext): Promise<void> {
    seen.push({ payment, eventId: event.eventId });
    await transaction.query(KEEP, [payment.id]);
    if (payment.amount < 0) throw new Poison('negative_amount');
    if (payment.amount > 1_000) throw new TypeError('too much');
  }
}

describe('a handler that takes one event at a time', () => {
  it('is called with the parsed event and its context, and takes effect once for an id', async () => {
    seen.length = 0;
    await pay('a');
    await pay('a');
    await pay('b', 2);
    await fixture.startNest([Balances], decode);
    await fixture.settled(2, 0);
    await pay('c');
    await fixture.settled(3, 0);
    expect(await fixture.kept()).toEqual(['a', 'b', 'c']);
    expect(seen.map(({ eventId }) => eventId).filter((id) => id === 'b')).toEqual(['b']);
    expect(seen).toContainEqual({ payment: { id: 'b', amount: 2 }, eventId: 'b' });
  });

  it('turns only the events that fail into dead letters, and stores their neighbours', async () => {
    for (let n = 0; n < 20; n++) await pay(`good-${n}`);
    await pay('poison', -1);
    await pay('much', 5_000);
    await pay('text', 'two');
    for (let n = 20; n < 40; n++) await pay(`good-${n}`);
    await fixture.startNest([Balances], decode);
    const letters = await fixture.settled(40, 3);
    expect(await fixture.kept()).toHaveLength(40);
    expect(letters).toMatchObject([
      { event_id: 'poison', reason: 'negative_amount' },
      { event_id: 'much', reason: 'effect_failed', detail: 'too much' },
      { event_id: 'text', reason: 'schema_mismatch', detail: expect.stringMatching(/^amount: .*number/) },
    ]);
  });
});

describe('a handler that takes batches', () => {
  it('is called once for many events', async () => {
    const sizes: number[] = [];

    @Controller()
    class Totals {
      @OncePerEvent('store', { batch: true, schema: Payment })
      async add(@Payload() fresh: Message<Payment>[], @Ctx() { transaction }: BatchContext): Promise<void> {
        sizes.push(fresh.length);
        await transaction.query('INSERT INTO public.kept SELECT unnest($1::text[])', [
          fresh.map(({ event }) => event.id),
        ]);
      }
    }

    for (let n = 0; n < 30; n++) await pay(`e${n}`);
    await fixture.startNest([Totals], decode);
    await fixture.settled(30, 0);
    expect(Math.max(...sizes)).toBeGreaterThan(1);
  });
});

describe('a delivery of a subject that the handler is not for', () => {
  it('is a dead letter, unless onUnmatched is ack', async () => {
    const prefix = fixture.system.subjectPrefix;

    @Controller()
    class Payments {
      @OncePerEvent('store', { subjects: `${prefix}.payments` })
      async apply(@Payload() { id }: Payment, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [id]);
      }
    }

    @Controller()
    class Quiet {
      @OncePerEvent('store', { subjects: `${prefix}.payments`, onUnmatched: 'ack' })
      async apply(@Payload() { id }: Payment, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [id]);
      }
    }

    await pay('a');
    await pay('lost', 1, 'refunds');
    await fixture.startNest([Payments], decode);
    expect(await fixture.settled(1, 1)).toMatchObject([{ event_id: 'lost', reason: 'unmatched' }]);
    await fixture.stop();
    await pay('quiet', 1, 'refunds');
    await pay('b');
    await fixture.startNest([Quiet], decode);
    await fixture.settled(2, 1);
    await fixture.nothingUnsettled();
    expect(await fixture.kept()).toEqual(['a', 'b']);
    expect(await fixture.deadLetters()).toHaveLength(1);
  });
});
