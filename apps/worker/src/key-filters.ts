/** The filters of closed generations of keys in a worker. */
import { ConsumerFilters } from '#idempotent-consumer/postgres';
import type { Logger } from '#observability';
import { createPool } from '#postgres';
import { filteredTables } from '#store';

/** One slice of a table, or one part of a filter, takes a fraction of a second. */
const STATEMENT_MS_MAX = 60_000;

/**
 * Returns the filters of a worker's consumers, not yet loaded: see `keep`.
 *
 * @param url the database
 * @param bytesMax the memory for all filters in bytes; 0 for none
 */
export function workerFilters(url: string, logger: Logger, bytesMax: number): ConsumerFilters {
  return new ConsumerFilters({
    openPool: () =>
      createPool({
        url,
        name: 'sekali-worker-filters',
        connectionsMax: 1,
        transactionMsMax: STATEMENT_MS_MAX,
      }),
    tablesOf: filteredTables,
    log: logger,
    bytesMax,
  });
}
