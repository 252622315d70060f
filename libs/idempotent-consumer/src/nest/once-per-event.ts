/** The decorator of a handler whose effect happens once per event. */
import { EventPattern } from '@nestjs/microservices';

/**
 * Marks the method that applies the effect of a durable consumer. It is called with `Message<E>[]` and a `BatchContext`, as
 * `Effect.apply`: what it does through the context's transaction is kept once for each event.
 *
 * @param consumer the pattern that names the durable consumer
 */
export function OncePerEvent(consumer: string): MethodDecorator {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-arguments -- without it another overload is taken
  return EventPattern<string>(consumer);
}
