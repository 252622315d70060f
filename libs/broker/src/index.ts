export { isForbidden, isRefused, NoRoomError } from './availability.js';
export { BrokerWatch, type BrokerWatchOptions } from './broker-watch.js';
export { brokerAddress, connectBroker, type BrokerAddress, type BrokerSettings } from './connection.js';
export { resetConsumer } from './consumer-reset.js';
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
export { jetStreamApi } from './jetstream-api.js';
export { MovableConnection } from './movable-connection.js';
export type { Publication, PublicationOrigin } from './publication.js';
export { Publisher, type PublisherOptions } from './publisher.js';
export { ReplayPublisher, type Replay } from './replay-publisher.js';
export {
  ensureConsumer,
  ensureStream,
  EVENT_BYTES_METADATA,
  forgetConsumer,
  streamIdentity,
  STREAM_IDENTITY_METADATA,
  type ConsumerDefinition,
  type OnDifferences,
  type StreamDefinition,
  type StreamIdentity,
} from './topology.js';
export {
  hasMajority,
  isUnanswered,
  type PublishOutcome,
  type UnavailableReason,
} from '#idempotent-consumer/jetstream';
export {
  type ConsumerInfo,
  type ConsumerName,
  type StreamInfo,
  type StreamMessage,
  StreamReader,
} from './stream-reader.js';
export { StreamWitness } from './stream-witness.js';
