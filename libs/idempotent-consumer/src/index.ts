export { BatchProcessor, type ProcessorSettings } from './batch-processor.js';
export { type ConsumerParts, IdempotentConsumer } from './consumer.js';
export type { ConsumerSettings } from './consumer-settings.js';
export type { Decoder, Delivery, Message, Poison } from './delivery.js';
export type { Effect, Transaction } from './effect.js';
export {
  type AnswerWatch,
  type ConsumerSight,
  DurableConsumer,
  type DurableConsumerAddress,
  type StreamSight,
} from './jetstream/durable-consumer.js';
export { BatchContext } from './nest/batch-context.js';
export {
  ErrorPassage,
  type PullConsumerOptions,
  PullConsumerStrategy,
} from './nest/pull-consumer-strategy.js';
export { OncePerEvent } from './nest/once-per-event.js';
export { OutageGate } from './outage-gate.js';
export type { ConsumerEvent, Observer, Outcome } from './outcome.js';
export { ForeignSequenceError } from './postgres/foreign-sequence.js';
export { type Batch, Inbox } from './postgres/inbox.js';
export { inboxTables, type InboxTables } from './postgres/inbox-statements.js';
export { StoppedError } from './stopped-error.js';
export type { StreamHistory, StreamIncarnation } from './stream-history.js';
export { classifyDatabaseError, type DatabaseFailure, isUnavailable } from './postgres/sqlstate.js';
