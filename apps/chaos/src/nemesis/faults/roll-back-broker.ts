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
import type { Fault } from '../fault.js';
import { pickRunning, strike } from '../victims.js';
import { canReplaceStore, replaceStore } from './replaced-store.js';
import { requireCurrent, storesOf, untilWhole } from './roll-back-brokers.js';

/** From the copy to the roll back. */
const BACK_MS_MIN = 2_000;
const BACK_MS_MAX = 8_000;

/** Puts back the store of one broker. */
export const rollBackBroker: Fault = {
  name: 'roll-back-broker',
  what: 'one broker is put back to its state of some seconds ago, and the others go on',
  touches: ['brokers'],
  holdMs: [1_000, 4_000],
  applies: canReplaceStore,
  async start(target, random) {
    await requireCurrent(target);
    const victim = pickRunning(target, 'broker', random);
    const stores = storesOf(target, [victim]);
    const backMs = random.between(BACK_MS_MIN, BACK_MS_MAX);
    strike(victim, 'SIGSTOP');
    const copy = await StoreCopy.of(stores).finally(() => victim.process.kill('SIGCONT'));
    try {
      await sleep(backMs);
      await replaceStore(target, victim, () => copy.putBack(stores));
    } finally {
      await copy.discard();
    }
    return { detail: `${victim.process.name}, by ${backMs} ms`, heal: () => untilWhole(target, [victim]) };
  },
};
