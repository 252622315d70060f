import type { ConsumerSettings } from './consumer-settings.js';
import { PULL_BYTES_MIN } from './delivery-source.js';
import type { ProcessorSettings } from './processor-settings.js';

/** All bounds of a consumer. */
export type ConsumerBounds = ConsumerSettings & ProcessorSettings;

/**
 * The defaults of the bounds. The default of `handlerMsMax` follows from `transactionMsMax`, if that is
 * given.
 */
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

/**
 * How much longer than its transaction a handler may take. Then the error of Postgres comes first, and says
 * what happened.
 */
const HANDLER_MS_MORE = 1_000;
/**
 * Connections in addition to those of the batches: one for slow messages, and one for statements between
 * transactions.
 */
const FURTHER_CONNECTIONS = 2;

/** A shorter lease would run out whenever a process is busy for a moment. */
const LEASE_MS_MIN = 500;

/** Completes bounds with the defaults. */
export function boundsWith(given: Partial<ConsumerBounds>): ConsumerBounds {
  const { transactionMsMax } = given;
  const handlerMsMax =
    transactionMsMax === undefined ? DEFAULT_BOUNDS.handlerMsMax : transactionMsMax + HANDLER_MS_MORE;
  return { ...DEFAULT_BOUNDS, handlerMsMax, ...given };
}

/**
 * Returns how many connections a pool needs, so that a slow consumer never keeps another one waiting.
 *
 * @param consumers the number of consumers that share the pool
 */
export function connectionsNeeded(
  consumers: number,
  { batchesInFlight = DEFAULT_BOUNDS.batchesInFlight }: Partial<ConsumerBounds> = {},
): number {
  return consumers * (batchesInFlight + FURTHER_CONNECTIONS);
}

/** Bounds that are whole numbers, with their minimum. */
const WHOLE = {
  batchSize: 1,
  batchBytes: 1,
  batchesInFlight: 1,
  prefetch: 1,
  isolateAfterDeliveries: 0,
  attemptsMax: 1,
} as const;

/**
 * Checks bounds and the relations between them. @returns one sentence for each problem
 *
 * A wrong relation shows late and far from its cause. With a prefetch below a batch, for example, no batch is
 * ever full. So the start reports every problem, all of them in one error.
 */
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
  const { leaseMs } = bounds;
  if (leaseMs !== undefined && !(leaseMs >= LEASE_MS_MIN && Number.isFinite(leaseMs)))
    problems.push(`leaseMs is ${leaseMs}; it must be at least ${LEASE_MS_MIN}`);
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
      `prefetchBytes is ${prefetchBytes}; below ${PULL_BYTES_MIN}, nothing would ever be requested`,
    );
  if (!(handlerMsMax > 0)) problems.push(`handlerMsMax is ${handlerMsMax}; it must be more than 0`);
  if (transactionMsMax === undefined) return problems;
  if (!(transactionMsMax > 0))
    problems.push(`transactionMsMax is ${transactionMsMax}; it must be more than 0`);
  if (handlerMsMax > transactionMsMax + HANDLER_MS_MORE)
    problems.push(
      `handlerMsMax is ${handlerMsMax}, which no handler can reach: Postgres ends the transaction after ` +
        `transactionMsMax, ${transactionMsMax}`,
    );
  return problems;
}
