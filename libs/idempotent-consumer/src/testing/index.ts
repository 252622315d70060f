/** The door for tests of a handler: a consumer without servers. It loads nothing of Nest's. */
export type { Effect, EventEffect } from '../effect.js';
export type { Answer, TestStatement } from '../memory/memory-transaction.js';
export {
  MemoryEventPublisher,
  type MemoryEventPublisherOptions,
  type PublishedEvent,
} from '../memory/memory-event-publisher.js';
export {
  TestConsumer,
  type TestConsumerOptions,
  type TestEvent,
  type TestHandler,
} from '../memory/test-consumer.js';
