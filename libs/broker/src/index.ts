export { brokerAddress, connectBroker, type BrokerAddress, type BrokerSettings } from './connection.js';
export { MovableConnection } from './movable-connection.js';
export { type UnavailableReason } from './publish-failure.js';
export type { Publication, PublishOutcome } from './publish-job.js';
export { Publisher, type PublisherOptions } from './publisher.js';
export {
  consumerInfo,
  ensureConsumer,
  ensureStream,
  EVENT_BYTES_METADATA,
  forgetConsumer,
  streamIdentity,
  jetStreamErrorCode,
  resetConsumer,
  STREAM_IDENTITY_METADATA,
  streamInfo,
  type ConsumerDefinition,
  type StreamDefinition,
  type StreamIdentity,
} from './topology.js';
export { StreamWitness } from './stream-witness.js';
