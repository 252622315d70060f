/** Loads and builds the filters of closed generations of keys while a worker runs. One worker at a time builds one. */
import type { Pool } from 'pg';
import type { PullConsumerOptions } from '#idempotent-consumer';
import { KeyFilterKeeper, KeyFilterStore, LoadedKeyFilters } from '#idempotent-consumer/postgres';
import type { Logger } from '#observability';
import { createPool } from '#postgres';
import { filteredTables } from '#store';

const EVERY_MS = 10_000;
/** One slice of a table, or one part of a filter, takes a fraction of a second. */
const STATEMENT_MS_MAX = 60_000;

/** Which filters of an inbox to use. */
type FiltersFor = ReturnType<NonNullable<PullConsumerOptions<unknown>['filtersOf']>>;

/** The filters of a worker's consumers. They share its memory for filters equally. */
export class KeyFilters {
  private readonly loaded = new Map<string, LoadedKeyFilters>();
  private readonly keepers = new Map<string, KeyFilterKeeper>();

  /**
   * @param url the database
   * @param bytesMax the memory for all filters in bytes; 0 for none
   */
  constructor(
    private readonly url: string,
    private readonly logger: Logger,
    private readonly bytesMax: number,
  ) {}

  /** Returns the filters of a consumer. Call it before `keep`. */
  readonly of = (consumer: string): FiltersFor => {
    if (this.bytesMax === 0) return undefined;
    const filters = this.loaded.get(consumer) ?? new LoadedKeyFilters();
    this.loaded.set(consumer, filters);
    return filters.over;
  };

  /**
   * Loads and builds what is missing, now and then at intervals. An outage only delays it: an id is looked up in a
   * generation without a filter.
   *
   * @param everyMs the interval in milliseconds
   * @returns `stop` ends it, and gives up a filter that is being built
   */
  keep(everyMs = EVERY_MS): { stop(): void } {
    const pool = createPool({
      url: this.url,
      name: 'sekali-worker-filters',
      connectionsMax: 1,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    const stopping = new AbortController();
    let isUnderWay = false;
    const keep = (): void => {
      if (isUnderWay) return;
      isUnderWay = true;
      this.keepAll(pool, stopping.signal)
        .catch((error: unknown) => {
          if (stopping.signal.aborted) return;
          this.logger.warn({ reason: String(error) }, 'filters of keys could not be kept; trying again');
        })
        .finally(() => {
          isUnderWay = false;
        });
    };
    keep();
    const timer = setInterval(keep, everyMs);
    return {
      stop: () => {
        clearInterval(timer);
        stopping.abort();
        void pool.end();
      },
    };
  }

  private async keepAll(pool: Pool, signal: AbortSignal): Promise<void> {
    for (const [consumer, loaded] of this.loaded) {
      const tables = await filteredTables(pool, consumer);
      if (tables === undefined) continue;
      const bytesMax = Math.floor(this.bytesMax / this.loaded.size);
      const log = this.logger.child({ consumer });
      const store = new KeyFilterStore(pool, tables, bytesMax);
      const keeper = this.keepers.get(consumer) ?? new KeyFilterKeeper(pool, store, loaded, bytesMax, log);
      this.keepers.set(consumer, keeper);
      const { filters, bytes } = loaded.figures();
      await keeper.keep(signal);
      const figures = loaded.figures();
      if (figures.filters !== filters || figures.bytes !== bytes) log.info({ ...figures }, 'filters of keys');
    }
  }
}
