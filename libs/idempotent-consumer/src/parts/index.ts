/**
 * The inner door: the parts of which the library consists, for the programs of this repository. The package
 * does not export it, so that these names may change with any version.
 */
export type { Batch, BatchInbox } from '../batch-inbox.js';
export { BatchProcessor } from '../batch-processor.js';
export { boundsWith, DEFAULT_BOUNDS } from '../bounds.js';
export { type ConsumerParts, IdempotentConsumer } from '../consumer.js';
export type { ConsumerSettings } from '../consumer-settings.js';
export type { Decider } from '../decider.js';
export type { PoisonMessage } from '../delivery.js';
export type { Comparison, Effect, EventEffect } from '../effect.js';
export type {
  ConsumerState,
  DeliverySession,
  DeliverySource,
  SessionEvents,
  StreamState,
} from '../delivery-source.js';
export {
  type AnswerWatch,
  DurableConsumer,
  type DurableConsumerAddress,
} from '../jetstream/durable-consumer.js';
export { MemoryConsumer } from '../memory/memory-consumer.js';
export { MemoryStream } from '../memory/memory-stream.js';
export { jsonDecoder } from '../json-decoder.js';
export { MemoryInbox } from '../memory/memory-inbox.js';
export { consumersOf } from '../nest/once-per-event.js';
export type { CompleteOptions } from '../pull-consumer-options.js';
export { OutageGate } from '../outage-gate.js';
export { ForeignSequenceError } from '../postgres/foreign-sequence.js';
export { changeKeyGeneration } from '../postgres/generation-change.js';
export { Inbox } from '../postgres/inbox.js';
export { InboxNameError, type InboxName, type InboxTables, inboxTables } from '../postgres/inbox-tables.js';
export type { ProcessorSettings } from '../processor-settings.js';
export { StoppedError } from '../stopped-error.js';
export type { Coverage, ForeignSequences, StreamHistory, StreamIncarnation } from '../stream-history.js';
