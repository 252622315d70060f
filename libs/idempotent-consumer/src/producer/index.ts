/** The door for programs that publish events, with Nest or without: it loads nothing of Nest's. */
export { type EventOutcome, EventPublisher, type NotTakenReason } from './event-publisher.js';
export { HttpEventPublisher, type HttpEventPublisherOptions } from './http-event-publisher.js';
export { InvalidEventError } from './invalid-event-error.js';
export type { EventFormOptions, NewEvent, PayloadSchema, Topics, WrittenEvent } from './new-event.js';
export { StreamEventPublisher, type StreamEventPublisherOptions } from './stream-event-publisher.js';
export {
  Outbox,
  type OutboxDeadLetter,
  type OutboxEvent,
  type OutboxOptions,
  type OutboxTransaction,
} from '../outbox/outbox.js';
export { OutboxRelay } from '../outbox/outbox-relay.js';
export type { OutboxRelayOptions } from '../outbox/relay-options.js';
export type { RelayEvent, RelayHealth } from '../outbox/relay-report.js';
export { OutboxBusyError, OutboxNameError } from '../outbox/outbox-tables.js';
