/**
 * Postgres goes back in time while everything else stays: a backup is put in its place, or a standby that fell behind is
 * promoted.
 *
 *   put back   stopped, copied, started ─▶ load goes on ─▶ SIGKILL ─▶ copy in its place ─▶ started
 *   promoted   stopped, copied, started ─▶ standby follows ─▶ cut off ─▶ load goes on ─▶ SIGKILL ─▶ standby in its place
 *
 * Rows that were committed are gone, and the brokers have all of their messages. So nothing that was acknowledged may be
 * lost, and no span of the load is exempt. The system has to notice by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { drawFreePort } from '../../system/free-port.js';
import {
  canReadPrograms,
  copyDatabase,
  programOf,
  removeDatabase,
  replaceDatabase,
  StandbyServer,
} from '../../system/postgres-files.js';
import { untilEnded } from '../../system/signals.js';
import type { Target } from '../../system/target.js';
import type { Random } from '../../workload/random.js';
import { FaultNotApplicable, type ActiveFault, type Fault } from '../fault.js';
import { pickRunning, processesOf, strike, untilAllRestarted, type Victim } from '../victims.js';

/** From the copy, or the moment at which the standby is cut off, to the loss. */
const BACK_MS_MIN = 2_000;
const BACK_MS_MAX = 8_000;
const STOPPED_MS_MAX = 20_000;

/** A backup is put in the place of the database. */
export const putBackPostgres: Fault = {
  name: 'put-back-postgres',
  what: 'Postgres is replaced by a copy of some seconds ago, as by the restore of a backup',
  touches: ['postgres', 'keys'],
  holdMs: [0, 1_000],
  applies: (target) => processesOf(target, 'postgres').length > 0 && target.databaseDirectory !== undefined,
  async start(target, random) {
    const directory = directoryOf(target);
    const copy = `${directory}.copy`;
    try {
      await copyStopped(target, random, copy);
      const backMs = await loadGoesOn(random);
      return await replace(target, random, { directory, by: copy, detail: `by ${backMs} ms` });
    } finally {
      await removeDatabase(copy);
    }
  },
};

/** A standby that fell behind is promoted. */
export const promoteStandby: Fault = {
  name: 'promote-standby',
  what: 'Postgres dies, and an asynchronous standby that had fallen behind is promoted',
  touches: ['postgres', 'keys'],
  holdMs: [0, 1_000],
  applies: (target) =>
    processesOf(target, 'postgres').length > 0 && target.databaseDirectory !== undefined && canReadPrograms(),
  async start(target, random) {
    const directory = directoryOf(target);
    const followed = `${directory}.standby`;
    let standby: StandbyServer | undefined;
    try {
      await copyStopped(target, random, followed);
      const { pid } = pickRunning(target, 'postgres', random);
      standby = new StandbyServer(programOf(pid), followed, target.postgresUrl, await drawFreePort());
      await standby.start();
      const [row] = await target.sql('SELECT pg_current_wal_lsn()::text AS lsn');
      await standby.untilAt(String(row?.['lsn']));
      await standby.fallBehind();
      const backMs = await loadGoesOn(random);
      await standby.promote();
      await standby.stop();
      return await replace(target, random, {
        directory,
        by: followed,
        detail: `which was ${backMs} ms behind`,
      });
    } finally {
      await standby?.stop();
      await removeDatabase(followed);
    }
  },
};

function directoryOf({ databaseDirectory }: Target): string {
  if (databaseDirectory === undefined)
    throw new FaultNotApplicable('the files of Postgres cannot be reached');
  return databaseDirectory;
}

async function loadGoesOn(random: Random): Promise<number> {
  const backMs = random.between(BACK_MS_MIN, BACK_MS_MAX);
  await sleep(backMs);
  return backMs;
}

/** Copies the files of Postgres while it is stopped in order. It runs again afterwards. */
async function copyStopped(target: Target, random: Random, to: string): Promise<void> {
  const victim = pickRunning(target, 'postgres', random);
  await whileEnded(target, victim, 'SIGINT', () => copyDatabase(directoryOf(target), to));
  await untilAllRestarted([victim]);
}

async function replace(
  target: Target,
  random: Random,
  { directory, by, detail }: { readonly directory: string; readonly by: string; readonly detail: string },
): Promise<ActiveFault> {
  const victim = pickRunning(target, 'postgres', random);
  await whileEnded(target, victim, 'SIGKILL', () => replaceDatabase(directory, by));
  return { detail, heal: () => untilAllRestarted([victim]) };
}

/** Ends a process, does something, and lets it be started again in any case. */
async function whileEnded(
  target: Target,
  victim: Victim,
  signal: NodeJS.Signals,
  work: () => Promise<void>,
): Promise<void> {
  const release = target.holdRestarts();
  try {
    strike(victim, signal);
    await untilEnded(victim.pid, STOPPED_MS_MAX);
    await work();
  } finally {
    release();
  }
}
