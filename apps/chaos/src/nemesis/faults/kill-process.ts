/** One process ends without a word (SIGKILL) and is started again by its supervisor. */
import type { Role } from '../../system/target.js';
import type { Fault, Part } from '../fault.js';
import { strike, pickLeader, pickRunning, processesOf, untilAllRestarted, type Victim } from '../victims.js';

const HOLD_MS = [500, 3_000] as const;
/** With fewer brokers there is no leader to lose, or no majority without it. */
const CLUSTER_BROKERS_MIN = 3;

function killOne(role: Role, touches: readonly Part[]): Fault {
  return {
    name: `kill-${role}`,
    what: `one ${role} ends without a word and is started again`,
    touches,
    holdMs: HOLD_MS,
    applies: (target) => processesOf(target, role).length > 0,
    start: (target, random) => {
      const victim = pickRunning(target, role, random);
      return Promise.resolve(kill(victim, victim.process.name));
    },
  };
}

/** Kills a gateway: its open requests get no answer. */
export const killGateway = killOne('gateway', ['gateway']);

/** Kills a worker with its open transaction. */
export const killWorker = killOne('worker', ['worker']);

/** Kills any one broker. */
export const killBroker = killOne('broker', ['brokers']);

/** Kills the broker that publishers wait for. */
export const killStreamLeader: Fault = {
  name: 'kill-stream-leader',
  what: 'the broker that leads the stream ends without a word',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => processesOf(target, 'broker').length >= CLUSTER_BROKERS_MIN,
  async start(target) {
    const victim = await pickLeader(target, 'stream');
    return kill(victim, `${victim.process.name}, which led the stream`);
  },
};

/** Kills the broker that deliveries and acks go through. */
export const killConsumerLeader: Fault = {
  name: 'kill-consumer-leader',
  what: 'the broker that leads a consumer ends without a word',
  touches: ['brokers'],
  holdMs: HOLD_MS,
  applies: (target) => processesOf(target, 'broker').length >= CLUSTER_BROKERS_MIN,
  async start(target, random) {
    const consumer = random.pick(target.consumers);
    const victim = await pickLeader(target, { consumer });
    return kill(victim, `${victim.process.name}, which led the consumer ${consumer}`);
  },
};

function kill(victim: Victim, detail: string): { detail: string; heal: () => Promise<void> } {
  strike(victim);
  return { detail, heal: () => untilAllRestarted([victim]) };
}
