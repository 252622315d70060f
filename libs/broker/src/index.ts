export { BrokerWatch, type BrokerWatchOptions } from './broker-watch.js';
export { brokerAddress, connectBroker, type BrokerAddress, type BrokerSettings } from './connection.js';
export { MovableConnection } from './movable-connection.js';
export { isUnanswered, type UnavailableReason } from './publish-failure.js';
export type { Publication, PublishOutcome } from './publish-job.js';
export { Publisher, type PublisherOptions } from './publisher.js';
export {
  consumerInfo,
  ensureConsumer,
  ensureStream,
  forgetConsumer,
  isForbidden,
  jetStreamErrorCode,
  NoRoomError,
  STREAM_CREATED_METADATA,
  streamInfo,
  type ConsumerDefinition,
  type StreamDefinition,
  type StreamIncarnation,
} from './topology.js';
