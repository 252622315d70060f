/**
 * The entry for programs that read the inbox's tables without consuming. It loads neither Nest nor the client
 * of a broker.
 */
export { ConsumerFilters, type ConsumerFiltersOptions, type KeyFigures } from './consumer-filters.js';
export { currentIncarnation, type DifferingHistory, type Ledger } from './divergence.js';
export { FilteredLosses } from './filtered-losses.js';
export { youngestGeneration, type YoungestGeneration } from './generation-change.js';
export { isLarge, keepGenerations } from './generation-keeper.js';
export {
  compareHistory,
  differingRows,
  type HistoryComparison,
  isSameHistory,
  type KnownHistory,
  type StreamSearch,
  type StreamWitness,
} from './history-comparison.js';
export { generationTable, InboxNameError, type InboxTables } from './inbox-tables.js';
export { type HeldKey, heldKeys, releaseKey } from '../order/held-keys.js';
export { KeyFilterKeeper } from './key-filter-keeper.js';
export { type FilteredTables, KeyFilterStore } from './key-filter-store.js';
export { LoadedKeyFilters } from './loaded-key-filters.js';
export { followFirsts, LOCK_BATCHES, moveRows } from './moved-rows.js';
export { SettledHorizon } from './settled-horizon.js';
export { type Incarnation, type StreamKey, StreamRegistry } from './stream-registry.js';
export type { ConsumerStart, SequenceSegment, StoreLoss } from '../stream-history.js';
