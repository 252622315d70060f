export type { Batch, BatchInbox } from './batch-inbox.js';
export { BatchProcessor } from './batch-processor.js';
export { type ConsumerCounts, ConsumerFigures } from './consumer-figures.js';
export { type ConsumerParts, IdempotentConsumer } from './consumer.js';
export type { ConsumerSettings } from './consumer-settings.js';
export { type DataLayer, typeOrm, type TypeOrmSource } from './data-layer.js';
export type { Decider } from './decider.js';
export type { Decoder, Delivery, Message, PoisonMessage } from './delivery.js';
export type { Comparison, Effect, EventEffect, Transaction } from './effect.js';
export type { ConsumerState, StreamState } from './delivery-source.js';
export {
  type AnswerWatch,
  DurableConsumer,
  type DurableConsumerAddress,
} from './jetstream/durable-consumer.js';
export { MemoryInbox } from './memory/memory-inbox.js';
export type { Answer, TestStatement } from './memory/memory-transaction.js';
export {
  TestConsumer,
  type TestConsumerOptions,
  type TestEvent,
  type TestHandler,
} from './memory/test-consumer.js';
export { BatchContext } from './nest/batch-context.js';
export { InboxContext } from './nest/inbox-context.js';
export { boundsWith, type ConsumerBounds, connectionsNeeded, DEFAULT_BOUNDS } from './bounds.js';
export type { ConsumerHealth } from './health.js';
export { jsonDecoder } from './json-decoder.js';
export { type CompleteOptions, type PullConsumerOptions } from './nest/pull-consumer-options.js';
export { ErrorPassage, PullConsumerStrategy } from './nest/pull-consumer-strategy.js';
export { OptionsError } from './options-error.js';
export { consumersOf, OncePerEvent, type OncePerEventOptions } from './nest/once-per-event.js';
export { OutageGate } from './outage-gate.js';
export type { ConsumerEvent, Observer, Outcome } from './outcome.js';
export { ownInboxes, type OwnInboxes, type OwnInboxesOptions } from './own-inboxes.js';
export { createInbox } from './postgres/create-inbox.js';
export { ForeignSequenceError } from './postgres/foreign-sequence.js';
export { Inbox } from './postgres/inbox.js';
export { InboxNameError, type InboxName, type InboxTables, inboxTables } from './postgres/inbox-tables.js';
export { StoppedError } from './stopped-error.js';
export type { Coverage, ForeignSequences, StreamHistory, StreamIncarnation } from './stream-history.js';
export { Poison, RetryLater } from './verdict.js';
export type { ProcessorSettings } from './processor-settings.js';
export type { ReadingOptions, Schema } from './reading.js';
export { type TraceContext, traceOf } from './trace-context.js';
