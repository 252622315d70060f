/**
 * The disks of brokers are full to the last byte, and have room again some seconds later.
 *
 * Another program fills them, so no limit of the brokers can prevent it. What they accept must be on enough of the
 * others, or be refused. Nothing may be lost by it, and no operator may have to start anything again. When all disks
 * are full at once, no broker is left that has the newest messages. In one trial, brokers without our protections
 * acknowledged 2,086 and had 2,081 of them.
 *
 * A nats-server 2.14.0 that switches JetStream off deletes what it knew of the cluster's streams. When two did, the
 * third reminds them. When all did, the program that starts them must bring that knowledge back. Otherwise each removes
 * its stream as an orphan.
 */
import { FaultNotApplicable, type Fault } from '../fault.js';
import { namesOf, processesOf, runningOf } from '../victims.js';

const CLUSTER_BROKERS = 3;
const HOLD_MS = [4_000, 10_000] as const;
/** Less than the nemesis allows a healing, so that the message names the replica. */
const CURRENT_AFTER_MS_MAX = 50_000;
/** From a full disk to a broker that takes nothing more. */
const NOTICED_MS_MAX = 3_000;
const NUMBERS = ['one', 'two', 'all'] as const;

/** `fill-disk-of-one-broker`, `…-two-brokers`, `…-all-brokers`. */
export const diskFaults: readonly Fault[] = NUMBERS.map((number, index) => fillDisks(number, index + 1));

function fillDisks(number: (typeof NUMBERS)[number], count: number): Fault {
  const brokers = number === 'one' ? 'broker' : 'brokers';
  return {
    name: `fill-disk-of-${number}-${brokers}`,
    what: `the disk of ${number} ${brokers} is full, and has room again`,
    touches: ['brokers', 'stream'],
    holdMs: HOLD_MS,
    prepares: 'disks',
    applies: (target) => {
      const all = processesOf(target, 'broker');
      return all.length === CLUSTER_BROKERS && all.every(({ name }) => target.brokerDisk(name));
    },
    async start(target, random) {
      const victims = random.shuffle(runningOf(target, 'broker')).slice(0, count);
      if (victims.length < count) throw new FaultNotApplicable(`only ${victims.length} brokers run`);
      const disks = victims.flatMap(({ process: { name } }) => target.brokerDisk(name) ?? []);
      const fromAt = performance.now();
      const free = (): Promise<unknown> => Promise.all(disks.map((disk) => disk.free()));
      try {
        await Promise.all(disks.map((disk) => disk.fill()));
      } catch (error) {
        await free();
        throw error;
      }
      return {
        detail: namesOf(victims),
        ...(count === CLUSTER_BROKERS && {
          exposed: { fromAt, untilAt: performance.now() + NOTICED_MS_MAX },
        }),
        heal: async () => {
          await free();
          await target.untilReplicasCurrent(CURRENT_AFTER_MS_MAX);
        },
      };
    },
  };
}
