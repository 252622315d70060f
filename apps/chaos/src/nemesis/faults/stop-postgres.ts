/** Postgres goes away: by a crash, from which it recovers at its next start, or in order, as for an upgrade. */
import type { Fault } from '../fault.js';
import { pickRunning, processesOf, strike, untilAllRestarted } from '../victims.js';

/** Kills the main process; its own children notice and end, and a new one recovers from its log. */
export const killPostgres: Fault = {
  name: 'kill-postgres',
  what: 'Postgres ends without a word, is started again and recovers',
  touches: ['postgres'],
  holdMs: [500, 3_000],
  applies: (target) => processesOf(target, 'postgres').length > 0,
  start(target, random) {
    const victim = pickRunning(target, 'postgres', random);
    strike(victim);
    return Promise.resolve({ detail: `pid ${victim.pid}`, heal: () => untilAllRestarted([victim]) });
  },
};

/** A fast shutdown: transactions are rolled back and clients are disconnected. It stays down for a while. */
export const stopPostgres: Fault = {
  name: 'stop-postgres',
  what: 'Postgres is stopped in order and stays down for a while',
  touches: ['postgres'],
  holdMs: [4_000, 10_000],
  applies: (target) => processesOf(target, 'postgres').length > 0,
  start(target, random) {
    const victim = pickRunning(target, 'postgres', random);
    const release = target.holdRestarts();
    try {
      strike(victim, 'SIGINT');
    } catch (error) {
      release();
      throw error;
    }
    const heal = async (): Promise<void> => {
      release();
      await untilAllRestarted([victim]);
    };
    return Promise.resolve({ detail: `pid ${victim.pid}`, heal });
  },
};
