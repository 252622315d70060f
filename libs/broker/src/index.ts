export { brokerAddress, connectBroker, type BrokerAddress, type BrokerSettings } from './connection.js';
export {
  CONSUMER_SHAPE,
  consumerDifferences,
  DefinitionError,
  type Difference,
  differencesText,
  isPause,
  streamDifferences,
  streamShape,
} from './definition-differences.js';
export type { EventLedger, GivenUp, SentEvent } from './duplicate-check.js';
export { MovableConnection } from './movable-connection.js';
export { type UnavailableReason } from './publish-failure.js';
export type { Publication, PublishOutcome } from './publish-job.js';
export { Publisher, type PublisherOptions } from './publisher.js';
export {
  consumerInfo,
  ensureConsumer,
  ensureStream,
  forgetConsumer,
  jetStreamErrorCode,
  STREAM_CREATED_METADATA,
  streamInfo,
  type ConsumerDefinition,
  type OnDifferences,
  type StreamDefinition,
  type StreamIncarnation,
} from './topology.js';
