/** The inner door to what asks the brokers about a stream, and publishes to it. It loads neither Nest nor Postgres. */
export { hasMajority, JetStreamWitness } from './jetstream-witness.js';
export type { DuplicateJudge, StoredMessage } from './publishing/duplicate-judge.js';
export { SUBMISSION_HEADER } from './publishing/message-headers.js';
export {
  hasNoResponders,
  isUnanswered,
  publishFailure,
  retryDelayMs,
  type UnavailableReason,
} from './publishing/publish-failure.js';
export { type PublishOutcome, type PublishRequest, unavailable } from './publishing/publish-job.js';
export { StreamPublisher, type StreamPublisherOptions } from './publishing/stream-publisher.js';
