/** What a publisher leaves on a connection that lives on: no subscription, once nothing waits for an answer. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { createTestSystem, type TestSystem } from '#testing';
import { StreamEventPublisher } from '../../producer/stream-event-publisher.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(async () => {
  await system.dispose();
});

/** The connection of the system, and the subscriptions that were made through it. */
function watched(): { readonly connection: NatsConnection; readonly subscriptions: Subscription[] } {
  const { connection } = system;
  const subscriptions: Subscription[] = [];
  const subscribe: NatsConnection['subscribe'] = (subject, options) => {
    const subscription = connection.subscribe(subject, options);
    subscriptions.push(subscription);
    return subscription;
  };
  const proxy = new Proxy(connection, {
    get: (target, name) => {
      if (name === 'subscribe') return subscribe;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { connection: proxy, subscriptions };
}

it('ends with its publisher, after the answers that were awaited', async () => {
  const { connection, subscriptions } = watched();
  const { streamName: stream, subjectPrefix } = system;
  const publisher = new StreamEventPublisher({ connection, stream, subjectPrefix, source: 'shop' });
  await publisher.publish({ topic: 'orders', payload: {} });
  expect(subscriptions.map((one) => one.isClosed())).toEqual([false]);
  const last = publisher.publishAll([1, 2, 3].map((n) => ({ topic: 'orders', payload: { n } })));
  await publisher.stop();
  expect((await last).map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(subscriptions.map((one) => one.isClosed())).toEqual([true]);
});

it('ends at once with a publisher that has nothing under way', async () => {
  const { connection, subscriptions } = watched();
  const { streamName: stream, subjectPrefix } = system;
  const publisher = new StreamEventPublisher({ connection, stream, subjectPrefix, source: 'shop' });
  await publisher.publish({ topic: 'orders', payload: {} });
  await publisher.stop();
  expect(subscriptions.map((one) => one.isClosed())).toEqual([true]);
});
