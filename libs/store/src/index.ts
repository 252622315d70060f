export { activeApiKeys, insertApiKeys, listApiKeys, revokeApiKey, type ListedApiKey } from './api-keys.js';
export { counterFaults, ledgerStreams, type CounterFault, type LedgerStream } from './audit-counters.js';
export {
  ledgerChunks,
  ledgerLastSequence,
  type LedgerChunk,
  type LedgerRun,
  type LedgerTotals,
  type RowFault,
} from './audit-ledger.js';
export { forgottenIds, type ForgottenIdsOfStream } from './audit-forgotten-ids.js';
export { histogramFaults, type HistogramFault } from './audit-histogram.js';
export { keysInTwoGenerations, type RepeatedKeys } from './audit-generations.js';
export { droppedRows, type DroppedRowsOfStream } from './audit-dropped-rows.js';
export { droppedPayloads, type DroppedPayloadFault, type DroppedPayloads } from './audit-retention.js';
export { keepAuditResult, keptAudits, type AuditRecord, type KeptAudit } from './audit-results.js';
export { unsettledPromises, type PromisedEvent, type PromisesFound } from './audit-promises.js';
export { missingTables, withAuditSnapshot } from './audit-snapshot.js';
export { addUpEndedGateways } from './ended-gateways.js';
export { BrokerDuplicates, type BrokerDuplicatesOptions } from './broker-duplicates.js';
export { beginConsumer, consumerStart, noteConsumerStart } from './consumer-start.js';
export { databaseBytes } from './database-size.js';
export { databaseState, type DatabaseState } from './database-state.js';
export { createDataSource } from './data-source.js';
export { setForeignAside } from './foreign-rows.js';
export { indexClosedDays } from './day-indexes.js';
export { indexRules, TextIndexError, writeIndexRules, type IndexRule } from './index-rules.js';
export { changePayloadIndexes, type PayloadIndexPass } from './payload-indexes.js';
export { DEAD_LETTER_STATES, type DeadLetterEntry, type DeadLetterState } from './dead-letter.js';
export {
  beginReplays,
  dropDeadLetters,
  noteReplayed,
  type Actor,
  type ReplayTarget,
} from './dead-letter-actions.js';
export {
  deadLetterGroups,
  deadLetterPage,
  type DeadLetterFilter,
  type DeadLetterGroup,
  type DeadLetterPosition,
} from './dead-letter-page.js';
export { findDeadLetter, type DeadLetterAction, type FoundDeadLetter } from './dead-letter-queries.js';
export { deadLetterId, readDeadLetterId, type DeadLetterReference } from './dead-letter-reference.js';
export { REPLAY_HEADER } from './dead-letter-statements.js';
export { EncodingError, refuseOtherEncoding } from './encoding.js';
export { settledOutcomes, type SentEvent, type SettledOutcome } from './event-outcomes.js';
export { readsPayloads, type EventFilter } from './event-filter.js';
export { eventPage, FIRST_POSITION, followPage, type AckFloor } from './event-page.js';
export { pageBytes } from './event-page-statements.js';
export {
  findEvent,
  type EventPosition,
  type FoundEvent,
  type SequenceRange,
  type StoredEvent,
} from './event-queries.js';
export { findConflicts, insertEvents, type NewEvent } from './event-store.js';
export { eventStory, type StoryEntry, type EventStory, type StoryPosition } from './event-story.js';
export { agedIds, forgetAgedIds, type AgedIds, type ForgettingStep } from './forgotten-ids.js';
export { readFacets, type Facets } from './facets.js';
export type { EventPage } from './found-page.js';
export { grantRights, GrantsError, ROLES, type Program } from './grants.js';
export {
  isHistogramStep,
  longerStep,
  readHistogram,
  type Histogram,
  type HistogramQuestion,
  type SettledCounts,
} from './histogram.js';
export { rollUpHistogram } from './histogram-roll-up.js';
export { createInbox, inboxNames, STORE_INBOX, storeInboxTables } from './inbox-tables.js';
export { filteredTables } from './key-filters.js';
export { changeKeyGeneration, youngestKeyGeneration } from './key-generations.js';
export { messageIdSecret } from './message-id-secret.js';
export { runMigrations } from './migration-run.js';
export { knownIdentity, streamNames } from './known-streams.js';
export { countTopics, knownTopics, topicsKnownAmong } from './known-topics.js';
export { filteredLossesOf, SEKALI_LEDGER } from './ledger.js';
export { newestPage, newestPosition, type NewestPage } from './newest-page.js';
export { ensurePartitions, partitionsEndMs, partitionSpan, type PartitionSpan } from './partitions.js';
export { areStored, givenUpAmong, givenUpFrom, type DeadLetterName } from './published-events.js';
export type { Queryable } from '#postgres';
export { PromiseMarks, type PromiseMarksOptions } from './promise-marks.js';
export { agedPayloads, dropAgedPayloads, type AgedPayloads, type DroppedStep } from './retention.js';
export {
  presentRetentionRules,
  retentionRules,
  writeRetentionRules,
  type RetentionRule,
} from './retention-rules.js';
export {
  agedRows,
  dropAgedRows,
  noteStreamFloor,
  rowAges,
  RowPlaces,
  writeRowAges,
  type AgedKind,
  type DroppedRows,
  type RowAges,
} from './row-retention.js';
export { knownPrograms, RunningProgram, type KnownProgram, type ProgramFigures } from './running-program.js';
export { pendingMigrations } from './schema-state.js';
export {
  storeTotals,
  topicTotals,
  withOwnDuplicates,
  type SettledStream,
  type StoreTotals,
  type TopicPage,
  type TopicTotals,
} from './stats-queries.js';
export { positionsAlong, SEEN_RANGES_MAX } from './read-position.js';
export {
  countTopicDay,
  storedDays,
  topicsStoredOn,
  withTopicDay,
  type StoredDay,
  type TopicDay,
} from './stored-days.js';
export { newestStoreLoss, noteRestored, noteStoreLoss, type NotedLoss } from './store-losses.js';
export { lastSettled, repeatingSources, type LastSettled, type RepeatingSources } from './topic-activity.js';
export { TOPICS_BELOW_MAX, TooManyTopicsError } from './topic-walk.js';
export {
  activeWebhookSecrets,
  insertWebhookSecret,
  listWebhookSecrets,
  revokeWebhookSecret,
  type ListedWebhookSecret,
} from './webhook-secrets.js';
