import type { HealthReport } from './metrics-endpoint.js';

/** The state of a consumer, as the consumer library reports it. */
interface Health {
  readonly state: string;
  readonly held: number;
  readonly quietMs: number;
}

/** Consumers in these states get on, or have nothing to do. */
const WELL = ['working', 'idle', 'standby'];

/**
 * Judges a program by the progress of its consumers. A connection proves nothing: a consumer whose handler hangs has
 * one.
 *
 * @param consumers the health of each consumer by its name; a program without any is not ready
 */
export function consumersHealth(consumers: ReadonlyMap<string, Health>): HealthReport {
  const all = [...consumers];
  return {
    isLive: all.every(([, { state }]) => state !== 'stuck'),
    isReady: all.length > 0 && all.every(([, { state }]) => WELL.includes(state)),
    details: {
      consumers: Object.fromEntries(
        all.map(([name, { state, held, quietMs }]) => [
          name,
          { state, held, quiet_seconds: Math.round(quietMs / 1_000) },
        ]),
      ),
    },
  };
}
