/** A publisher in a program, and as a provider of Nest. */
import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { z } from 'zod';
import { createTestSystem } from '#testing';
import { EventPublisher } from '../producer/event-publisher.js';
import {
  StreamEventPublisher,
  type StreamEventPublisherOptions,
} from '../producer/stream-event-publisher.js';
import { streamEvents } from '../test/stream-events.js';

const Payment = z.object({ account: z.string(), amount: z.number().int() });

function shopPublisher(connection: NatsConnection, stream: string, subjectPrefix = 'events') {
  return new StreamEventPublisher({
    ...{ connection, stream, subjectPrefix, source: 'shop' },
    schemas: { 'payments.card': Payment },
  });
}

@Injectable()
class Orders {
  constructor(@Inject(EventPublisher) private readonly publisher: EventPublisher) {}

  async place(id: string): Promise<string> {
    const outcome = await this.publisher.publish({ topic: 'orders', id, payload: { paid: false } });
    return outcome.status;
  }
}

function ordersModule(options: StreamEventPublisherOptions): Type {
  @Module({
    providers: [{ provide: EventPublisher, useFactory: () => new StreamEventPublisher(options) }, Orders],
  })
  class OrdersModule {}
  return OrdersModule;
}

it('publishes what fits the schema of its topic', async () => {
  const system = await createTestSystem();
  const publisher = shopPublisher(system.connection, system.streamName, system.subjectPrefix);
  const payment = { topic: 'payments.card', id: 'p1', payload: { account: 'ada', amount: 5 } } as const;
  expect(await publisher.publish(payment)).toEqual({ status: 'accepted', eventId: 'p1', seq: 1 });
  await expect(publisher.publish({ ...payment, payload: { account: 'ada', amount: 0.5 } })).rejects.toThrow(
    /^event p1 of topic payments\.card: payload does not fit its schema/,
  );
  // @ts-expect-error -- the topic has no schema
  await expect(publisher.publish({ topic: 'orders', payload: {} })).rejects.toThrow(/there is no schema/);
  await publisher.stop();
});

it('is injected by its abstract class, and stopped when the application shuts down', async () => {
  const system = await createTestSystem();
  const { connection, streamName: stream, subjectPrefix } = system;
  const options = { connection, stream, subjectPrefix, source: 'shop' };
  const app = await NestFactory.createApplicationContext(ordersModule(options), { logger: false });
  const orders = app.get(Orders);
  expect(await orders.place('a')).toBe('accepted');
  await app.close();
  expect(await orders.place('b')).toBe('refused');
  expect((await streamEvents(system)).map(({ id }) => id)).toEqual(['a']);
});
