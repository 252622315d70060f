/** An event that is published, and the message that it becomes. */
import type { PublishDoor } from '#contracts';
import type { PublishRequest } from '#idempotent-consumer/jetstream';
import type { TraceContext } from '#idempotent-consumer/traces';

/** An event on its way: its topic, its id and its JSON text. */
export interface Publication {
  readonly topic: string;
  readonly eventId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
}

/** How events came to a publisher. It travels with their messages. */
export interface PublicationOrigin {
  /** The door of a gateway. */
  readonly door?: PublishDoor | undefined;
  /** The trace that they belong to, from the request that brought them. */
  readonly trace?: TraceContext | undefined;
}

/** An event with the message that it becomes. */
export interface EventRequest extends PublishRequest {
  readonly event: Publication;
}
