/**
 * Several brokers end at once and stay down for some seconds: publishing and delivery are impossible.
 *
 * SIGKILL takes nothing that the operating system had received, so no acknowledged message may be missing afterwards.
 */
import type { Target } from '../../system/target.js';
import { FaultNotApplicable, type ActiveFault, type Fault } from '../fault.js';
import { strike, namesOf, processesOf, runningOf, untilAllRestarted } from '../victims.js';

const HOLD_MS = [3_000, 8_000] as const;
const CLUSTER_BROKERS_MIN = 3;

/** Takes the majority away, and leaves one. */
export const killTwoBrokers: Fault = {
  name: 'kill-two-brokers',
  what: 'two brokers end without a word and stay down: no majority is left',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => processesOf(target, 'broker').length === CLUSTER_BROKERS_MIN,
  start: (target, random) => keepDown(target, 2, (names) => random.shuffle(names)),
};

/** Takes all. */
export const killAllBrokers: Fault = {
  name: 'kill-all-brokers',
  what: 'all brokers end without a word and stay down',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => processesOf(target, 'broker').length > 0,
  start: (target) => keepDown(target, processesOf(target, 'broker').length, (all) => [...all]),
};

function keepDown(
  target: Target,
  count: number,
  order: <T>(list: readonly T[]) => T[],
): Promise<ActiveFault> {
  const victims = order(runningOf(target, 'broker')).slice(0, count);
  if (victims.length < count) throw new FaultNotApplicable(`only ${victims.length} brokers run`);
  const release = target.holdRestarts();
  try {
    for (const victim of victims) strike(victim);
  } catch (error) {
    release();
    throw error;
  }
  return Promise.resolve({
    detail: namesOf(victims),
    heal: async () => {
      release();
      await untilAllRestarted(victims);
    },
  });
}
