/** What a program can learn of its consumers: their health, their figures, and the trace of an event. */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { waitFor } from '#testing';
import { ConsumerFigures } from '../consumer-figures.js';
import type { Message } from '../delivery.js';
import { HandlerFixture } from '../test/handler-fixture.js';
import { type TraceContext, traceOf } from '../trace-context.js';
import { RetryLater } from '../verdict.js';
import type { InboxContext } from '../inbox-context.js';
import { OncePerEvent } from './once-per-event.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

describe('the health of a consumer', () => {
  it('shows whether events make progress, and not only whether a connection is open', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const returned: string[] = [];

    @Controller()
    class Hanging {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        if (id === 'hang') await released;
        await transaction.query(KEEP, [id]);
        returned.push(id);
      }
    }

    const strategy = await fixture.startNest([Hanging], fixture.decode);
    const health = (stuckMs?: number): unknown => strategy.health(stuckMs).get('store')?.state;
    expect(health()).toBe('idle');
    await fixture.send('hang');
    await waitFor(() => health() === 'working', { timeoutMs: 10_000, describe: 'an event to be worked on' });
    await waitFor(() => health(200) === 'stuck', { timeoutMs: 10_000, describe: 'the hang to be noticed' });
    // The default is a minute.
    expect(health()).toBe('working');
    release();
    await fixture.settled(1, 0);
    await waitFor(() => health(200) === 'idle', { timeoutMs: 10_000, describe: 'the end of it' });
  });

  it('is waiting, and not stuck, while the store has a defect', async () => {
    @Controller()
    class Keeping {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { transaction }: InboxContext): Promise<void> {
        await transaction.query(KEEP, [id]);
      }
    }

    const strategy = await fixture.startNest([Keeping], fixture.decode);
    // For the inbox this is a defect of the store.
    await fixture.system.pool.query('ALTER TABLE inbox.test_key RENAME TO gone');
    await fixture.send('a');
    const health = (): unknown => strategy.health(0).get('store')?.state;
    await waitFor(() => health() === 'waiting', { timeoutMs: 10_000, describe: 'the defect to be noticed' });
    await fixture.system.pool.query('ALTER TABLE inbox.gone RENAME TO test_key');
    await fixture.settled(1, 0);
    await waitFor(() => health() === 'idle', { timeoutMs: 10_000, describe: 'the defect to be over' });
  });
});

describe('the figures of a consumer', () => {
  it('count the outcomes of deliveries', async () => {
    const figures = new ConsumerFigures();
    @Controller()
    class Keeping {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { transaction, event }: InboxContext): Promise<void> {
        if (id === 'later' && event.delivery.deliveryCount === 1) throw new RetryLater(10);
        if (id === 'bad') throw new Error('not this one');
        await transaction.query(KEEP, [id]);
      }
    }

    await fixture.startNest([Keeping], fixture.decode, { transport: { observerOf: () => figures.observe } });
    await fixture.send('a', 'a', 'later', 'bad', 'b');
    await fixture.settled(3, 1);
    await fixture.nothingUnsettled();
    expect(figures.counts).toMatchObject({
      ...{ stored: 3, duplicates: 1, conflicts: 0, deadLetters: 1, alreadyProcessed: 0 },
      // One event was postponed by RetryLater, and one failed before it became a dead letter.
      ...{ retries: 2, failures: 2, isolated: 0, sessionsLost: 0, outages: 0 },
    });
    expect(figures.counts.batches).toBeGreaterThan(0);
    expect(figures.counts.batchMs).toBeGreaterThan(0);
  });
});

describe('the trace context of an event', () => {
  const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  async function publish(id: string, values: Readonly<Record<string, string>>): Promise<void> {
    const sent = headers();
    for (const [name, value] of Object.entries(values)) sent.set(name, value);
    const subject = `${fixture.system.subjectPrefix}.orders`;
    await jetstream(fixture.system.connection).publish(subject, id, { headers: sent });
  }

  it('reaches the handler, for one event and for a batch', async () => {
    const seen = new Map<string, TraceContext | undefined>();
    await fixture.addConsumer('many');

    @Controller()
    class Tracing {
      @OncePerEvent('store')
      apply(@Payload() id: string, @Ctx() { trace }: InboxContext): void {
        seen.set(id, trace);
      }

      @OncePerEvent('many', { batch: true })
      applyAll(@Payload() fresh: Message<string>[]): void {
        for (const { event, delivery } of fresh) seen.set(`many ${event}`, traceOf(delivery));
      }
    }

    await publish('traced', { traceparent: TRACEPARENT, tracestate: 'vendor=1' });
    await publish('plain', { traceparent: TRACEPARENT });
    await publish('none', {});
    await publish('wrong', { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` });
    await fixture.startNest([Tracing], fixture.decode);
    await waitFor(() => seen.size === 8, { timeoutMs: 20_000, describe: 'eight calls' });
    for (const prefix of ['', 'many ']) {
      expect(seen.get(`${prefix}traced`)).toEqual({ traceparent: TRACEPARENT, tracestate: 'vendor=1' });
      expect(seen.get(`${prefix}plain`)).toEqual({ traceparent: TRACEPARENT });
      expect(seen.get(`${prefix}none`)).toBeUndefined();
      expect(seen.get(`${prefix}wrong`)).toBeUndefined();
    }
  });
});
