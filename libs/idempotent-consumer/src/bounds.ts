/**
 * The bounds of a consumer: their defaults, and the relations between them.
 *
 * A wrong relation shows itself late and far away: a prefetch below a batch means that no batch is ever full, and a pool that is
 * too small lets a slow handler starve another. So every problem is said at the start, all of them in one error.
 */
import type { ConsumerSettings } from './consumer-settings.js';
import { PULL_BYTES_MIN } from './jetstream/pull-session.js';
import type { ProcessorSettings } from './processor-settings.js';

/** All bounds of a consumer. */
export type ConsumerBounds = ConsumerSettings & ProcessorSettings;

/** What is taken for a bound that is left out. `handlerMsMax` follows from `transactionMsMax`, where that is given. */
export const DEFAULT_BOUNDS: Readonly<ConsumerBounds & { handlerMsMax: number }> = {
  batchSize: 100,
  batchBytes: 8_388_608,
  batchWaitMs: 5,
  batchesInFlight: 2,
  prefetch: 400,
  prefetchBytes: 33_554_432,
  isolateAfterDeliveries: 3,
  attemptsMax: 5,
  retryDelayMs: 1_000,
  handlerMsMax: 30_000,
};

/** A handler is left so long after the bound on its transaction: what Postgres ends is told apart by its own words. */
const HANDLER_MS_MORE = 1_000;
/** Besides those of its transactions: one for what is too slow to be among them, and one for what stands between them. */
const FURTHER_CONNECTIONS = 2;

/** The bounds with what was left out. */
export function boundsWith(given: Partial<ConsumerBounds>): ConsumerBounds {
  const { transactionMsMax } = given;
  const handlerMsMax =
    transactionMsMax === undefined ? DEFAULT_BOUNDS.handlerMsMax : transactionMsMax + HANDLER_MS_MORE;
  return { ...DEFAULT_BOUNDS, handlerMsMax, ...given };
}

/** How many connections of a pool consumers may use at a time, so that a slow one never keeps another waiting. */
export function connectionsNeeded(
  consumers: number,
  { batchesInFlight = DEFAULT_BOUNDS.batchesInFlight }: Partial<ConsumerBounds> = {},
): number {
  return consumers * (batchesInFlight + FURTHER_CONNECTIONS);
}

/** Bounds that are whole numbers, with the least that each may be. */
const WHOLE = {
  batchSize: 1,
  batchBytes: 1,
  batchesInFlight: 1,
  prefetch: 1,
  isolateAfterDeliveries: 0,
  attemptsMax: 1,
} as const;

/** Everything that is wrong with bounds, a sentence each. */
export function problemsOf(bounds: ConsumerBounds): string[] {
  const problems: string[] = [];
  for (const [name, min] of Object.entries(WHOLE) as [keyof typeof WHOLE, number][]) {
    const value = bounds[name];
    if (!Number.isSafeInteger(value) || value < min)
      problems.push(`${name} is ${value}; it must be a whole number of at least ${min}`);
  }
  for (const name of ['batchWaitMs', 'retryDelayMs'] as const) {
    const value = bounds[name];
    if (!Number.isFinite(value) || value < 0) problems.push(`${name} is ${value}; it must be 0 or more`);
  }
  return [...problems, ...relationsBroken(bounds)];
}

function relationsBroken(bounds: ConsumerBounds): string[] {
  const {
    prefetch,
    batchSize,
    prefetchBytes,
    batchBytes,
    handlerMsMax = Infinity,
    transactionMsMax,
  } = bounds;
  const problems: string[] = [];
  if (prefetch < batchSize)
    problems.push(`prefetch is ${prefetch}, below batchSize, ${batchSize}: no batch would ever be full`);
  if (prefetchBytes < batchBytes)
    problems.push(
      `prefetchBytes is ${prefetchBytes}, below batchBytes, ${batchBytes}: no batch would ever be full`,
    );
  if (!(prefetchBytes >= PULL_BYTES_MIN))
    problems.push(
      `prefetchBytes is ${prefetchBytes}; below ${PULL_BYTES_MIN}, nothing would ever be asked for`,
    );
  if (!(handlerMsMax > 0)) problems.push(`handlerMsMax is ${handlerMsMax}; it must be more than 0`);
  if (transactionMsMax === undefined) return problems;
  if (!(transactionMsMax > 0))
    problems.push(`transactionMsMax is ${transactionMsMax}; it must be more than 0`);
  if (handlerMsMax > transactionMsMax + HANDLER_MS_MORE)
    problems.push(
      `handlerMsMax is ${handlerMsMax}, which no handler reaches: Postgres ends the transaction after ` +
        `transactionMsMax, ${transactionMsMax}`,
    );
  return problems;
}
