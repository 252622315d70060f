/** The door for a program without Nest: it loads nothing of Nest's. */
export { BatchContext } from '../batch-context.js';
export { type ConsumerBounds, connectionsNeeded } from '../bounds.js';
export { type ConsumerCounts, ConsumerFigures } from '../consumer-figures.js';
export { type ConsumerOptions, createConsumer, type EventConsumer } from './create-consumer.js';
export { createInbox } from '../postgres/create-inbox.js';
export { type DataLayer, typeOrm } from '../data-layer.js';
export type { Decoder, Delivery, Message } from '../delivery.js';
export type { Transaction } from '../effect.js';
export type { ConsumerHealth } from '../health.js';
export { InboxContext } from '../inbox-context.js';
export { OptionsError } from '../options-error.js';
export type { ConsumerEvent, Observer, Outcome } from '../outcome.js';
export { ownInboxes, type OwnInboxes, type OwnInboxesOptions } from '../own-inboxes.js';
export type { KeyFigures } from '../postgres/consumer-filters.js';
export type { KeyLog } from '../postgres/key-log.js';
export { type TraceContext, traceOf } from '../trace-context.js';
export { Poison, RetryLater } from '../verdict.js';
