/**
 * One broker is put back to its state of some seconds ago, as by the restore of one machine, while the others go on.
 *
 *   all current ─▶ one paused, copied ─▶ load goes on ─▶ SIGKILL ─▶ others current ─▶ copy put back ─▶ all current
 *
 * The two others have everything, so nothing that was acknowledged may be lost. As with an emptied disk, they have to be
 * current before the older broker may vote.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreCopy } from '../../system/broker-files.js';
import { untilEnded } from '../../system/signals.js';
import type { Fault } from '../fault.js';
import { pickRunning, processesOf, strike } from '../victims.js';
import { requireCurrent, storesOf, untilWhole } from './roll-back-brokers.js';

const OTHERS_CURRENT_MS_MAX = 30_000;
const CLUSTER_BROKERS_MIN = 3;
/** From the copy to the roll back. */
const BACK_MS_MIN = 2_000;
const BACK_MS_MAX = 8_000;

/** Puts back the store of one broker. */
export const rollBackBroker: Fault = {
  name: 'roll-back-broker',
  what: 'one broker is put back to its state of some seconds ago, and the others go on',
  touches: ['brokers'],
  holdMs: [1_000, 4_000],
  applies: (target) => {
    const brokers = processesOf(target, 'broker');
    return brokers.length >= CLUSTER_BROKERS_MIN && brokers.every(({ name }) => target.brokerStore(name));
  },
  async start(target, random) {
    await requireCurrent(target);
    const victim = pickRunning(target, 'broker', random);
    const { name } = victim.process;
    const stores = storesOf(target, [victim]);
    const backMs = random.between(BACK_MS_MIN, BACK_MS_MAX);
    strike(victim, 'SIGSTOP');
    const copy = await StoreCopy.of(stores).finally(() => victim.process.kill('SIGCONT'));
    try {
      await sleep(backMs);
      const release = target.holdRestarts();
      try {
        strike(victim);
        await untilEnded(victim.pid);
        await target.untilReplicasCurrent(OTHERS_CURRENT_MS_MAX, name);
        await copy.putBack(stores);
      } finally {
        release();
      }
    } finally {
      await copy.discard();
    }
    return { detail: `${name}, by ${backMs} ms`, heal: () => untilWhole(target, [victim]) };
  },
};
