/** The door for a service of Nest. Without Nest there is `core`, and `testing` for tests of handlers. */
export { BatchContext } from './batch-context.js';
export { type ConsumerBounds, connectionsNeeded } from './bounds.js';
export { type ConsumerCounts, ConsumerFigures } from './consumer-figures.js';
export { createInbox } from './postgres/create-inbox.js';
export { type DataLayer, typeOrm } from './data-layer.js';
export type { Decoder, Delivery, Message } from './delivery.js';
export type { Transaction } from './effect.js';
export type { ConsumerHealth } from './health.js';
export { InboxContext } from './inbox-context.js';
export { OncePerEvent } from './nest/once-per-event.js';
export type { OncePerEventOptions } from './handler-options.js';
export type { PullConsumerOptions } from './pull-consumer-options.js';
export { ErrorPassage, PullConsumerStrategy } from './nest/pull-consumer-strategy.js';
export { OptionsError } from './options-error.js';
export type { ConsumerEvent, Observer, Outcome } from './outcome.js';
export { ownInboxes, type OwnInboxes, type OwnInboxesOptions } from './own-inboxes.js';
export { type TraceContext, traceOf } from './trace-context.js';
export { Poison, RetryLater } from './verdict.js';
