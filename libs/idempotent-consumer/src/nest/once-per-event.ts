import type { Type } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { OncePerEventOptions } from '../handler-options.js';

/**
 * Marks the method that applies the effect of a durable consumer. It is called with one event and an
 * `InboxContext`. Its writes through the context's transaction are kept once for each event.
 *
 *   @OncePerEvent('balances', { subjects: 'payments.>', schema: Payment })
 *   async apply(@Payload() payment: Payment, @Ctx() { transaction, event }: InboxContext) { … }
 *
 * When the method returns, its writes are committed, and then the event is acknowledged. When it throws, they
 * are rolled back. The event is retried with a growing delay, a bounded number of times, and then becomes a
 * dead letter with the error. `Poison` and `RetryLater` state directly what happens to the event.
 *
 * Events of one batch share a transaction, and the method is called for one after the other. If one call
 * throws, the method is called again for the other events. So the method must not write to anything but the
 * transaction.
 *
 * With `batch: true` the method is called once for all events, with `Message<E>[]` and a `BatchContext`, as
 * `Effect.apply`.
 *
 * @param consumer the pattern that names the durable consumer
 * @param options how the handler is called, and for which events
 */
export function OncePerEvent<E = never>(
  consumer: string,
  options: OncePerEventOptions<E> = {},
): MethodDecorator {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-arguments -- without it another overload is taken
  const mark = EventPattern<string>(consumer, { ...options });
  return (target, key, descriptor) => {
    consumersOfClass.set(target.constructor, [...(consumersOfClass.get(target.constructor) ?? []), consumer]);
    return mark(target, key, descriptor);
  };
}

const consumersOfClass = new WeakMap<object, readonly string[]>();

/**
 * Returns the durable consumers for which controllers have handlers. With their number, `connectionsNeeded`
 * gives the size of the pool.
 */
export function consumersOf(controllers: readonly Type[]): string[] {
  return controllers.flatMap((one) => consumersOfClass.get(one) ?? []);
}
