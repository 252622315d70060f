import type { Fault } from './fault.js';
import { changeKeyGeneration } from './faults/change-key-generation.js';
import { linkFaults } from './faults/disturb-link.js';
import { cutPostgresConnections, readOnlyPostgres } from './faults/disturb-sessions.js';
import { exhaustPostgres } from './faults/exhaust-postgres.js';
import { diskFaults } from './faults/fill-disk.js';
import { fillStream } from './faults/fill-stream.js';
import { killAllBrokers, killTwoBrokers } from './faults/kill-brokers.js';
import {
  killBroker,
  killConsumerLeader,
  killGateway,
  killStreamLeader,
  killWorker,
} from './faults/kill-process.js';
import { pauseBroker, pauseGateway, pauseStreamLeader, pauseWorker } from './faults/pause-process.js';
import { rollBackBroker } from './faults/roll-back-broker.js';
import { rollBackBrokers, rollBackStream, rollBackTwoBrokers } from './faults/roll-back-brokers.js';
import { promoteStandby, putBackPostgres } from './faults/send-postgres-back.js';
import { splitFaults } from './faults/split-brokers.js';
import { stepDownConsumerLeader, stepDownStreamLeader } from './faults/step-down.js';
import { killPostgres, stopPostgres } from './faults/stop-postgres.js';
import { wipeBroker } from './faults/wipe-broker.js';
import { wipeTwoBrokers } from './faults/wipe-two-brokers.js';

/** Every fault, in the order in which `--help` lists them. */
export const catalogue: readonly Fault[] = [
  killGateway,
  killWorker,
  killBroker,
  killStreamLeader,
  killConsumerLeader,
  killTwoBrokers,
  killAllBrokers,
  pauseGateway,
  pauseWorker,
  pauseBroker,
  pauseStreamLeader,
  stepDownStreamLeader,
  stepDownConsumerLeader,
  wipeBroker,
  wipeTwoBrokers,
  rollBackBroker,
  rollBackBrokers,
  rollBackStream,
  rollBackTwoBrokers,
  ...diskFaults,
  fillStream,
  killPostgres,
  stopPostgres,
  readOnlyPostgres,
  cutPostgresConnections,
  exhaustPostgres,
  putBackPostgres,
  promoteStandby,
  changeKeyGeneration,
  ...linkFaults,
  ...splitFaults,
];

/** `--faults` names something that is not a fault. */
export class UnknownFaultError extends Error {
  override readonly name = 'UnknownFaultError';
}

/**
 * The faults that a text asks for: `all`, `none`, or names joined by commas, each counted once.
 *
 * Throws `UnknownFaultError`, which lists the existing names.
 */
export function chooseFaults(text: string, faults: readonly Fault[] = catalogue): readonly Fault[] {
  const asked = text.split(',').map((name) => name.trim());
  if (asked.length === 1 && asked[0] === 'all') return faults;
  if (asked.length === 1 && asked[0] === 'none') return [];
  const unknown = asked.filter((name) => !faults.some((fault) => fault.name === name));
  if (unknown.length > 0) {
    const names = faults.map((fault) => fault.name).join(', ');
    const which = unknown.map((name) => `"${name}"`).join(', ');
    throw new UnknownFaultError(`no fault is called ${which}; use all, none, or some of ${names}`);
  }
  return faults.filter((fault) => asked.includes(fault.name));
}
