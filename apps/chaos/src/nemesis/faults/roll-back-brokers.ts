/**
 * Brokers are put back to their state of some seconds ago, while everything else stays, as after a power cut or a
 * restore.
 *
 *   all current ─▶ paused, copied ─▶ load goes on ─▶ restarts held, SIGKILL ─▶ copies put back ─▶ released ─▶ all current
 *                  └────────────── what is acknowledged here may be lost ──────────────┘
 *
 * A broker that kept its newer files need not recover by itself, because brokers leave such a replica unchanged. If it
 * has not recovered after some time, it is emptied, as an informed operator would do.
 *
 * The brokers are paused for the copy, all at the same time, so the copy has what was acknowledged before. Everything
 * that is accepted after the roll back must be stored, even if the database already knows the sequences it gets.
 */
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyStore, StoreCopy, type Store } from '../../system/broker-files.js';
import { until } from '../../system/deadline.js';
import { untilEnded } from '../../system/signals.js';
import type { Target } from '../../system/target.js';
import { FaultNotApplicable, type Fault } from '../fault.js';
import { namesOf, processesOf, runningOf, strike, untilAllRestarted, type Victim } from '../victims.js';

const CLUSTER_BROKERS_MIN = 3;
const CURRENT_BEFORE_MS_MAX = 10_000;
const CURRENT_AFTER_MS_MAX = 50_000;
const LEADER_MS_MAX = 25_000;
/** How long the system has to repair a replica on another history. */
const ASTRAY_MS_MAX = 15_000;
/**
 * A leader, the time on another history, the broker's new copy of the stream: each has a bound above, and they follow
 * each other.
 */
const KEPT_HEAL_MS_MAX = 120_000;
/** From the copy to the roll back. */
const BACK_MS_MIN = 2_000;
const BACK_MS_MAX = 8_000;
const CONFIGURATION = 'nats-server.conf';

/** Everything of every broker is put back. */
export const rollBackBrokers: Fault = rollBackFault(
  'roll-back-brokers',
  'all brokers are put back to their state of some seconds ago',
  {},
);

/** The stream is put back and its consumers are not, so they are ahead of it. */
export const rollBackStream: Fault = rollBackFault(
  'roll-back-stream',
  'all brokers are put back, but their consumers are not and are ahead of the stream',
  { keepConsumers: true },
);

/** One replica stays on a history that the others do not know. */
export const rollBackTwoBrokers: Fault = rollBackFault(
  'roll-back-two-brokers',
  'two brokers are put back and elect a leader, and then the third comes with its newer files',
  { keepOne: true },
);

interface Extent {
  readonly keepConsumers?: boolean;
  readonly keepOne?: boolean;
}

function rollBackFault(name: string, what: string, extent: Extent): Fault {
  return {
    name,
    what,
    touches: ['brokers', 'stream'],
    holdMs: [0, 1_000],
    ...(extent.keepOne === true && { healMsMax: KEPT_HEAL_MS_MAX }),
    applies: (target) => {
      const brokers = processesOf(target, 'broker');
      const least = extent.keepOne === true ? CLUSTER_BROKERS_MIN : 1;
      return brokers.length >= least && brokers.every(({ name: broker }) => target.brokerStore(broker));
    },
    async start(target, random) {
      await requireCurrent(target);
      const victims = runningOf(target, 'broker');
      const backMs = random.between(BACK_MS_MIN, BACK_MS_MAX);
      const kept = extent.keepOne === true ? random.pick(victims) : undefined;
      const stores = storesOf(target, victims);
      const fromAt = performance.now();
      const copy = await copyFrozen(victims, stores);
      try {
        await sleep(backMs);
        const older = stores.filter((store) => store.name !== kept?.process.name);
        const { endedAt, comeBack } = await replace(target, victims, { copy, older, ...extent, kept });
        return {
          detail: `${namesOf(victims.filter((one) => one !== kept))}, by ${backMs} ms and the time of the copy`,
          exposed: { fromAt, untilAt: endedAt },
          heal: once(async () => {
            await comeBack();
            if (kept !== undefined) await takeBack(target, kept, victims);
            await untilWhole(target, victims);
          }),
        };
      } finally {
        await copy.discard();
      }
    },
  };
}

/** Resolves when each broker runs again, and every replica is current. */
export async function untilWhole(target: Target, victims: readonly Victim[]): Promise<void> {
  await untilAllRestarted(victims);
  await target.untilReplicasCurrent(CURRENT_AFTER_MS_MAX);
}

/** The stores of brokers. Throws `FaultNotApplicable` when one of them is out of reach. */
export function storesOf(target: Target, victims: readonly Victim[]): Store[] {
  return victims.map(({ process: { name } }) => {
    const directory = target.brokerStore(name);
    if (directory === undefined) throw new FaultNotApplicable(`the store of ${name} cannot be reached`);
    return { name, directory };
  });
}

/** Throws `FaultNotApplicable` when a replica lags, because a loss then would not be the system's fault. */
export async function requireCurrent(target: Target): Promise<void> {
  try {
    await target.untilReplicasCurrent(CURRENT_BEFORE_MS_MAX);
  } catch (error) {
    throw new FaultNotApplicable('not every replica is current', { cause: error });
  }
}

async function copyFrozen(victims: readonly Victim[], stores: readonly Store[]): Promise<StoreCopy> {
  try {
    for (const victim of victims) strike(victim, 'SIGSTOP');
    return await StoreCopy.of(stores);
  } finally {
    for (const { process } of victims) process.kill('SIGCONT');
  }
}

interface Replacement extends Extent {
  readonly copy: StoreCopy;
  /** The stores that are put back. */
  readonly older: readonly Store[];
  /** The broker whose store is not. */
  readonly kept: Victim | undefined;
}

/** @returns the moment at which the last broker had ended, and what lets the kept one come back */
async function replace(
  target: Target,
  victims: readonly Victim[],
  { copy, older, keepConsumers, kept }: Replacement,
): Promise<{ readonly endedAt: number; readonly comeBack: () => Promise<void> }> {
  const release = target.holdRestarts();
  try {
    for (const victim of victims) strike(victim);
    await Promise.all(victims.map(({ pid }) => untilEnded(pid)));
    const endedAt = performance.now();
    const ahead = keepConsumers === true ? await StoreCopy.of(older, 'consumers') : undefined;
    await copy.putBack(older);
    await ahead?.putBack(older, 'consumers');
    await ahead?.discard();
    const comeBack = kept === undefined ? () => Promise.resolve() : await keepAway(target, kept);
    return { endedAt, comeBack };
  } finally {
    release();
  }
}

/** Empties the kept broker, unless it rejoins the others by itself. */
async function takeBack(target: Target, { process }: Victim, victims: readonly Victim[]): Promise<void> {
  await untilAllRestarted(victims);
  const isBack = await target.untilReplicasCurrent(ASTRAY_MS_MAX).then(
    () => true,
    () => false,
  );
  const { pid } = process;
  if (isBack || pid === undefined) return;
  const release = target.holdRestarts();
  try {
    strike({ process, pid });
    await untilEnded(pid);
    await emptyStore(target.brokerStore(process.name) as string);
  } finally {
    release();
  }
  await untilAllRestarted([{ process, pid }]);
}

/** A healing that outlasts its time limit must not be begun a second time while it runs. */
function once(heal: () => Promise<void>): () => Promise<void> {
  let healing: Promise<void> | undefined;
  return () => (healing ??= heal().finally(() => (healing = undefined)));
}

/**
 * Without its configuration a broker ends at each start.
 *
 * @returns a function that waits for a leader among the others, and lets the broker come back in any case; it may be
 * called again
 */
async function keepAway(target: Target, { process: { name } }: Victim): Promise<() => Promise<void>> {
  const file = join(dirname(target.brokerStore(name) as string), CONFIGURATION);
  const aside = `${file}.aside`;
  await rename(file, aside);
  let isAway = true;
  return async () => {
    if (!isAway) return;
    try {
      const isLed = async (): Promise<boolean> => ![undefined, ''].includes(await target.leaderOf('stream'));
      await until(isLed, { timeoutMs: LEADER_MS_MAX, what: 'a leader among those that were put back' });
    } finally {
      isAway = false;
      await rename(aside, file);
    }
  };
}
