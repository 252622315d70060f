export { createDataSource, createPool, type StoreAddress } from './data-source.js';
export { findConflicts, insertEvents, type NewEvent } from './event-store.js';
export { ensurePartitions } from './partitions.js';
export type { Queryable } from './queryable.js';
export { streamIdOf } from './stream-registry.js';
