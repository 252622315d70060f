/** The store of one broker, which is replaced while that broker is down and the others go on. */
import { untilEnded } from '../../system/signals.js';
import type { Target } from '../../system/target.js';
import { processesOf, strike, type Victim } from '../victims.js';

const OTHERS_CURRENT_MS_MAX = 30_000;
const CLUSTER_BROKERS_MIN = 3;

/** Whether there are others that go on, and every store is within reach. */
export function canReplaceStore(target: Target): boolean {
  const brokers = processesOf(target, 'broker');
  return brokers.length >= CLUSTER_BROKERS_MIN && brokers.every(({ name }) => target.brokerStore(name));
}

/**
 * Ends the broker, and lets it start again when its store was replaced.
 *
 * @param replace called when the broker has ended, and the others lead and are current
 */
export async function replaceStore(
  target: Target,
  victim: Victim,
  replace: () => Promise<void>,
): Promise<void> {
  const release = target.holdRestarts();
  try {
    strike(victim);
    await untilEnded(victim.pid);
    await target.untilReplicasCurrent(OTHERS_CURRENT_MS_MAX, victim.process.name);
    await replace();
  } finally {
    release();
  }
}
