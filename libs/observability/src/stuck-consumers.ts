/**
 * Ends a worker whose consumer is stuck, so that its supervisor starts another.
 *
 * The bounds on handlers, statements and requests end everything that is known to hang. These checks are for other
 * causes. They cost only redeliveries: another worker gets the messages that were not acknowledged.
 */
import type { Logger } from './logger.js';

const EVERY_MS = 5_000;
/** A process that was paused, or a machine that slept, needs some seconds to make progress again. */
const CHECKS_MIN = 6;

/** The state of a consumer, as the consumer library reports it. */
interface Health {
  readonly state: string;
  readonly held: number;
  readonly quietMs: number;
}

/** What has consumers: the transport. */
interface Watched {
  health(stuckMs?: number): ReadonlyMap<string, Health>;
}

/** Options of `endWhenStuck`. */
interface StuckOptions {
  /** The default ends the process with exit code 1. */
  readonly end?: () => void;
  /** The time without progress after which a consumer is stuck; the transport has a default. */
  readonly stuckMs?: number;
  readonly everyMs?: number;
}

/**
 * Checks the consumers from now on. It calls `end` once, when one of them is stuck in six checks in a row.
 *
 * @returns a function that stops the checks
 */
export function endWhenStuck(
  strategy: Watched,
  logger: Logger,
  { end = () => process.exit(1), stuckMs, everyMs = EVERY_MS }: StuckOptions = {},
): () => void {
  let checks = 0;
  const timer = setInterval(() => {
    const [stuck] = [...strategy.health(stuckMs)].filter(([, { state }]) => state === 'stuck');
    checks = stuck === undefined ? 0 : checks + 1;
    if (stuck === undefined || checks < CHECKS_MIN) return;
    clearInterval(timer);
    const [consumer, { held, quietMs }] = stuck;
    logger.error({ consumer, held, quietMs: Math.round(quietMs) }, 'the consumer is stuck; the process ends');
    end();
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
