/** The decorator of a handler whose effect happens once per event. */
import { EventPattern } from '@nestjs/microservices';

/**
 * Marks the method that applies the effect of a durable consumer. It is called with `Message<E>[]`, events that
 * it was never called with before, and a `BatchContext`.
 *
 * @param consumer the pattern that names the durable consumer
 */
export function OncePerEvent(consumer: string): MethodDecorator {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-arguments -- without it another overload is taken
  return EventPattern<string>(consumer);
}
