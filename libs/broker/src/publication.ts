/** An event that is published, and the message that it becomes. */
import type { PublishRequest } from '#idempotent-consumer/jetstream';

/** An event on its way: its topic, its id and its JSON text. */
export interface Publication {
  readonly topic: string;
  readonly eventId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
}

/** An event with the message that it becomes. */
export interface EventRequest extends PublishRequest {
  readonly event: Publication;
}
