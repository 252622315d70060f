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
export { missingTables, withAuditSnapshot } from './audit-snapshot.js';
export { BrokerDuplicates, type BrokerDuplicatesOptions } from './broker-duplicates.js';
export { consumerStart, firstToRead, noteConsumerStart, STORE_INBOX } from './consumer-start.js';
export { createDataSource, createPool, type StoreAddress } from './data-source.js';
export { currentIncarnation, type DifferingHistory } from './divergence.js';
export { eventPage, FIRST_POSITION, type AckFloor, type EventFilter, type EventPage } from './event-page.js';
export { findEvent, type EventPosition, type FoundEvent, type StoredEvent } from './event-queries.js';
export { findConflicts, insertEvents, type NewEvent } from './event-store.js';
export {
  compareHistory,
  differingRows,
  isSameHistory,
  type HistoryComparison,
  type StreamWitness,
} from './history-comparison.js';
export { createInbox } from './inbox-tables.js';
export { runMigrations } from './migration-run.js';
export { keptHorizon, settledHorizon } from './horizon.js';
export { isLockTimeout } from './lock-bound.js';
export { ensurePartitions } from './partitions.js';
export type { Queryable } from './queryable.js';
export { pendingMigrations } from './schema-state.js';
export { storeTotals, type StoreTotals, type TopicTotals } from './stats-queries.js';
export {
  findIncarnation,
  incarnationOf,
  knownIdentity,
  streamIdOf,
  streamNames,
  type Incarnation,
  type LedgerSegment,
  type StreamKey,
} from './stream-registry.js';
