/**
 * A broker loses its disk, and comes back with an empty one.
 *
 *   all current ─▶ restarts held, SIGKILL ─▶ others lead, and are current ─▶ store emptied ─▶ released ─▶ all current
 *
 * An operator must wait in this way for a Raft group. The broker that ends may hold an acknowledged message that only
 * one other has. If it came back empty before that other leads, it could vote for the third, and the message would be
 * lost. That is a limit of the protocol and not a fault of the judged system.
 */
import { emptyStore } from '../../system/broker-files.js';
import { FaultNotApplicable, type Fault } from '../fault.js';
import { pickRunning } from '../victims.js';
import { canReplaceStore, replaceStore } from './replaced-store.js';
import { requireCurrent, untilWhole } from './roll-back-brokers.js';

/** Takes the store of one broker. */
export const wipeBroker: Fault = {
  name: 'wipe-broker',
  what: 'one broker loses its disk and comes back with an empty one',
  touches: ['brokers'],
  holdMs: [1_000, 4_000],
  applies: canReplaceStore,
  async start(target, random) {
    await requireCurrent(target);
    const victim = pickRunning(target, 'broker', random);
    const { name } = victim.process;
    const store = target.brokerStore(name);
    if (store === undefined) throw new FaultNotApplicable(`the store of ${name} cannot be reached`);
    await replaceStore(target, victim, () => emptyStore(store));
    return { detail: name, heal: () => untilWhole(target, [victim]) };
  },
};
