/**
 * One process is paused (SIGSTOP) and goes on later, as in a long garbage collection or a frozen machine. To all others
 * it is dead, and then it is back with all its old intentions.
 */
import type { Role } from '../../system/target.js';
import type { Fault, Part } from '../fault.js';
import { strike, pickLeader, pickRunning, processesOf, type Victim } from '../victims.js';

/** Longer than the ack wait that the judge gives its consumers (6 s), so that its messages go to others meanwhile. */
const WORKER_HOLD_MS = [7_000, 10_000] as const;
/** Longer than the timeouts of the programs that wait for it (5 s). */
const HOLD_MS = [6_000, 9_000] as const;
const CLUSTER_BROKERS_MIN = 3;

function pauseOne(role: Role, touches: readonly Part[], holdMs: readonly [number, number]): Fault {
  return {
    name: `pause-${role}`,
    what: `one ${role} is paused and goes on later`,
    touches,
    holdMs,
    applies: (target) => processesOf(target, role).length > 0,
    start: (target, random) => {
      const victim = pickRunning(target, role, random);
      return Promise.resolve(pause(victim, victim.process.name));
    },
  };
}

/** Pauses a gateway. */
export const pauseGateway = pauseOne('gateway', ['gateway'], HOLD_MS);

/** Pauses a worker until its deliveries have gone to others; then it tries to settle them. */
export const pauseWorker = pauseOne('worker', ['worker'], WORKER_HOLD_MS);

/** Pauses any one broker. */
export const pauseBroker = pauseOne('broker', ['brokers'], HOLD_MS);

/** Pauses the broker that publishers wait for: another one leads when it comes back. */
export const pauseStreamLeader: Fault = {
  name: 'pause-stream-leader',
  what: 'the broker that leads the stream is paused until another one leads',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => processesOf(target, 'broker').length >= CLUSTER_BROKERS_MIN,
  async start(target) {
    const victim = await pickLeader(target, 'stream');
    return pause(victim, `${victim.process.name}, which led the stream`);
  },
};

function pause(victim: Victim, detail: string): { detail: string; heal: () => Promise<void> } {
  strike(victim, 'SIGSTOP');
  return {
    detail,
    heal: () => {
      // The signal goes to the process that has the name now. If it was killed and started again meanwhile, the signal
      // does no harm.
      victim.process.kill('SIGCONT');
      return Promise.resolve();
    },
  };
}
