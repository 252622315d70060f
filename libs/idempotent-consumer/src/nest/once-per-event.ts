/** The decorator of a handler whose effect happens once per event. */
import type { Type } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { ReadingOptions } from '../reading.js';

/** How a handler is called, and what for. Everything may be left out. */
export interface OncePerEventOptions extends ReadingOptions {
  /** Whether it takes many events at a time, in one call: `Message<E>[]` and a `BatchContext`. */
  readonly batch?: boolean;
}

/**
 * Marks the method that applies the effect of a durable consumer. It is called with one event and an `InboxContext`; what it
 * writes through the context's transaction is kept once for each event.
 *
 *   @OncePerEvent('balances', { subjects: 'payments.>', schema: Payment })
 *   async apply(@Payload() payment: Payment, @Ctx() { transaction, event }: InboxContext) { … }
 *
 * When it returns, its writes are committed, and then the event is acknowledged. When it throws, they are rolled back, and the
 * event is tried again with a growing delay, a bounded number of times; then it is a dead letter with the error. `Poison` and
 * `RetryLater` say it outright. Events that come together share a transaction, and are called one after the other; where one
 * throws, the others are called again without it. So nothing but the transaction should be written to.
 *
 * With `batch: true` it is called with `Message<E>[]` and a `BatchContext`, once for all of them, as `Effect.apply`.
 *
 * @param consumer the pattern that names the durable consumer
 */
export function OncePerEvent(consumer: string, options: OncePerEventOptions = {}): MethodDecorator {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-arguments -- without it another overload is taken
  const mark = EventPattern<string>(consumer, { ...options });
  return (target, key, descriptor) => {
    consumersOfClass.set(target.constructor, [...(consumersOfClass.get(target.constructor) ?? []), consumer]);
    return mark(target, key, descriptor);
  };
}

const consumersOfClass = new WeakMap<object, readonly string[]>();

/** The durable consumers that controllers have handlers for, so that a pool can be opened that is large enough for all. */
export function consumersOf(controllers: readonly Type[]): string[] {
  return controllers.flatMap((one) => consumersOfClass.get(one) ?? []);
}
