/**
 * Two brokers lose their disks, and the third lagged behind: only its data is left.
 *
 *   all current ─▶ one is paused ─▶ load goes on ─▶ the others: SIGKILL, emptied ─▶ it wakes, they start ─▶ all current
 *                  └── what is acknowledged here may be lost ──┘
 *
 * The survivor is a follower of the stream, so that the others go on at once and leave it behind.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyStore } from '../../system/broker-files.js';
import { untilEnded } from '../../system/signals.js';
import type { Fault } from '../fault.js';
import { currentLeader, namesOf, processesOf, runningOf, strike } from '../victims.js';
import { requireCurrent, storesOf, untilWhole } from './roll-back-brokers.js';

const CLUSTER_BROKERS = 3;
const BEHIND_MS_MIN = 1_000;
const BEHIND_MS_MAX = 4_000;

/** Takes the stores of two brokers. */
export const wipeTwoBrokers: Fault = {
  name: 'wipe-two-brokers',
  what: 'two brokers lose their disks at once, and the one that is left lagged behind',
  touches: ['brokers', 'stream'],
  holdMs: [0, 1_000],
  applies: (target) => {
    const brokers = processesOf(target, 'broker');
    return brokers.length === CLUSTER_BROKERS && brokers.every(({ name }) => target.brokerStore(name));
  },
  async start(target, random) {
    // The window begins at a moment at which the survivor had everything, because a follower always lags a little.
    const fromAt = performance.now();
    await requireCurrent(target);
    const leader = await currentLeader(target, 'stream');
    const brokers = runningOf(target, 'broker');
    const survivor = random.pick(brokers.filter(({ process }) => process.name !== leader));
    const victims = brokers.filter((one) => one !== survivor);
    const stores = storesOf(target, victims);
    strike(survivor, 'SIGSTOP');
    try {
      const behindMs = random.between(BEHIND_MS_MIN, BEHIND_MS_MAX);
      await sleep(behindMs);
      const release = target.holdRestarts();
      try {
        for (const victim of victims) strike(victim);
        await Promise.all(victims.map(({ pid }) => untilEnded(pid)));
        const untilAt = performance.now();
        await Promise.all(stores.map(({ directory }) => emptyStore(directory)));
        return {
          detail: `${namesOf(victims)}, with ${survivor.process.name} ${behindMs} ms behind`,
          exposed: { fromAt, untilAt },
          heal: () => untilWhole(target, victims),
        };
      } finally {
        release();
      }
    } finally {
      survivor.process.kill('SIGCONT');
    }
  },
};
