export { connectBroker, type BrokerAddress } from './connection.js';
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
