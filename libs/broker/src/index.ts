export { brokerAddress, connectBroker, type BrokerAddress, type BrokerSettings } from './connection.js';
export { type UnavailableReason } from './publish-failure.js';
export { Publisher, type Publication, type PublisherOptions, type PublishOutcome } from './publisher.js';
export {
  consumerInfo,
  ensureConsumer,
  ensureStream,
  jetStreamErrorCode,
  STREAM_CREATED_METADATA,
  streamInfo,
  type ConsumerDefinition,
  type StreamDefinition,
  type StreamIncarnation,
} from './topology.js';
