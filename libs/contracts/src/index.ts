export {
  API_KEY_SCOPES,
  API_KEY_TOPICS_MAX,
  apiKeyDefaultsError,
  apiKeyEntryErrors,
  apiKeyHash,
  apiKeyIdError,
  apiKeyIdOf,
  apiKeyNameError,
  coversTopic,
  newApiKeyToken,
  recordFieldError,
  topicPatternError,
  type ApiKeyDefaults,
  type ApiKeyEntry,
  type ApiKeyScope,
} from './api-key.js';
export { base64Member, bodyMember, type BodyMember } from './body-member.js';
export { canonicalJson } from './canonical-json.js';
export { readCloudEvent, structuredText, type ReadCloudEvent } from './cloud-event.js';
export type {
  DeadLetterActionView,
  DeadLetterBulkResult,
  DeadLetterDetail,
  DeadLetterGroupView,
  DeadLetterResult,
  DeadLetterView,
} from './dead-letter-views.js';
export {
  EVENT_FIELDS,
  eventIdError,
  eventText,
  payloadError,
  sourceError,
  timestampError,
  topicError,
  unknownFieldErrors,
  type EventField,
  type FieldError,
  type SekaliEvent,
} from './event.js';
export { decodeEvent, validTopicOf } from './event-decoder.js';
export type {
  EventView,
  Problem,
  PublishedOutcome,
  PublishResponse,
  PublishResult,
  RepeatingSourceView,
  RepeatsView,
  StatsView,
  TopicActivity,
  TopicStats,
  TopicStatsView,
} from './http.js';
export { givenId, RecordIds, type DerivedId, type IdOrigin } from './identity.js';
export { isSpace } from './json-characters.js';
export { arraySpans, objectSpans, quotedNumbers, type ObjectSpans, type Span } from './json-text.js';
export { LEVEL_SPELLINGS, LEVELS, type Level } from './level.js';
export {
  EVENT_BYTES_MAX,
  EVENT_ID_LENGTH_MAX,
  EVENT_NAMES_MAX,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  PAYLOAD_DEPTH_MAX,
  PUBLISH_EVENTS_MAX,
  SOURCE_LENGTH_MAX,
} from './limits.js';
export { doorOf, PUBLISH_DOORS, submissionOf, type PublishDoor } from './publish-door.js';
export type { Decoded, PoisonReason, RawMessage } from './raw-message.js';
export { recordTimestamp } from './record-time.js';
export type { StoryActionView, StoryEntryView, StoryRepeatView, StoryView } from './story-view.js';
export {
  digestedMessageIdOf,
  digestIn,
  eventIdOf,
  isDigested,
  MESSAGE_ID_HEADER,
  messageIdOf,
  subjectOf,
  topicOf,
} from './subject.js';
export type {
  AuditView,
  BrokerRole,
  BrokersView,
  BrokerView,
  DatabaseView,
  ProgramView,
  RetentionView,
  SystemView,
} from './system-view.js';
export { canonicalTimestamp } from './timestamp.js';
export { topicFromName } from './topic-name.js';
export { isTopicPattern, matchesTopic, topicFilterError, topicPatternPrefix } from './topic-pattern.js';
export { ValueScan } from './value-scan.js';
export {
  HMAC_ALGORITHMS,
  HMAC_ENCODINGS,
  hmacRulesError,
  newWebhookSecret,
  newWebhookSecretId,
  signedParts,
  WEBHOOK_HEADERS,
  WEBHOOK_HEADERS_MAX,
  WEBHOOK_PROVIDERS,
  WEBHOOK_SECRETS_PER_TOPIC_MAX,
  WEBHOOK_TOLERANCE_SECONDS,
  WEBHOOK_TOLERANCE_SECONDS_MAX,
  webhookHeaderError,
  webhookKey,
  webhookSecretError,
  webhookSecretIdError,
  type HmacRules,
  type WebhookProvider,
  type WebhookSecret,
} from './webhook-secret.js';
export { readWrittenEvent } from './written-event.js';
