export {
  bigintColumn,
  booleanColumn,
  instantColumn,
  jsonbColumn,
  textColumn,
  timestampColumn,
} from './column.js';
export { readBigints } from './bigint-list.js';
export { epochMicroseconds } from './instant.js';
export { queryBounded } from './bounded-query.js';
export { LOCK_MS_MAX } from './lock-bound.js';
export {
  CONNECT_MS_MAX,
  connectionBounds,
  createPool,
  onNewConnection,
  type PostgresAddress,
} from './pool.js';
export type { Queryable } from './queryable.js';
export {
  classifyDatabaseError,
  CLOSED_GENERATION,
  CONNECTION_FAILURE,
  type DatabaseFailure,
  errorCodeOf,
  isAboutTheValue,
  isClosedGeneration,
  isFailedTransaction,
  isLockTimeout,
  isLoginRefused,
  isMissingTable,
  isUnavailable,
  isUniqueViolation,
  isWrongStatement,
  READ_ONLY,
} from './sqlstate.js';
export { readSnapshot, transact } from './transact.js';
