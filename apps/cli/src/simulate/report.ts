/** The result of a simulation as a person or a machine reads it. */
import { colours, figureTable, formatCount } from '../output.js';
import type { Account, SentFigures, SystemChange } from './account.js';
import type { SendingResult } from './simulation.js';

/** The whole result. */
export interface SimulationResult {
  readonly run: string;
  readonly seed: number;
  readonly via: 'http' | 'nats';
  readonly sent: SentFigures;
  readonly sending: SendingResult;
  readonly change: SystemChange;
  readonly account: Account;
  /** From the first send until nothing was in flight. */
  readonly storedSeconds: number;
  readonly interrupted: boolean;
}

/** The table for people, with the verdict at the end. */
export function simulationReport(result: SimulationResult): string {
  const { sent, sending, change, account } = result;
  const seen = result.via === 'http' ? 'as the gateway said' : 'as the PubAcks said';
  const table = figureTable([
    ['to be sent', formatCount(sent.events + sent.repeats)],
    ['  different events', formatCount(sent.events)],
    ['  repeats', formatCount(sent.repeats)],
    ['sent', formatCount(sending.handedOver)],
    ['accepted', formatCount(sent.accepted)],
    [`  duplicates at the broker, ${seen}`, formatCount(sent.duplicates)],
    ['stored', formatCount(change.stored)],
    ['dropped at the broker', formatCount(droppedAtBroker(result))],
    ['dropped at the store', formatCount(change.duplicatesAtStore)],
    ['conflicts', formatCount(change.conflicts)],
    ['dead letters', formatCount(change.deadLetters)],
    ['sent again without an answer', formatCount(sent.resends)],
    ['refused', formatCount(sent.refused)],
    ['missing', formatCount(sent.missing)],
    ['seconds', result.storedSeconds.toFixed(1)],
    ['events/s accepted', perSecond(sent.accepted, sending.seconds)],
    ['events/s stored', perSecond(change.stored, result.storedSeconds)],
  ]);
  return [table, colours.dim(`run ${result.run} · seed ${result.seed}`), verdictLine(result, account)].join(
    '\n',
  );
}

/** The report as one JSON document. */
export function simulationDocument(result: SimulationResult): unknown {
  const { sent, sending, change, account } = result;
  return {
    exact: account.exact && !result.interrupted,
    problems: account.problems,
    interrupted: result.interrupted,
    run: result.run,
    seed: result.seed,
    via: result.via,
    planned: sent.events + sent.repeats,
    sent: sending.handedOver,
    unique: sent.events,
    repeats: sent.repeats,
    accepted: sent.accepted,
    duplicates_answered: sent.duplicates,
    refused: sent.refused,
    missing: sent.missing,
    resends: sent.resends,
    stored: change.stored,
    dropped: { broker: droppedAtBroker(result), store: change.duplicatesAtStore, total: account.duplicates },
    conflicts: change.conflicts,
    dead_letters: change.deadLetters,
    in_flight: change.inFlight,
    sending_seconds: round(sending.seconds),
    seconds: round(result.storedSeconds),
    accepted_per_second: Math.round(sent.accepted / Math.max(sending.seconds, 0.001)),
    stored_per_second: Math.round(change.stored / Math.max(result.storedSeconds, 0.001)),
  };
}

function droppedAtBroker({ via, sent, change }: SimulationResult): number {
  return change.duplicatesAtBroker + (via === 'nats' ? sent.duplicates : 0);
}

function verdictLine(result: SimulationResult, account: Account): string {
  const { sent, sending } = result;
  if (result.interrupted) return colours.yellow('interrupted: these are the figures so far');
  if (!account.exact) {
    const refusal = sending.firstRefusal === undefined ? '' : ` (${sending.firstRefusal})`;
    return colours.red(`not as sent: ${account.problems.join('; ')}${refusal}`);
  }
  const resent = account.duplicates - sent.repeats;
  const extra = resent > 0 ? ` (${formatCount(resent)} more from sends repeated without an answer)` : '';
  return colours.green(
    `exactly as sent: ${formatCount(sent.events)} stored once, ${formatCount(sent.repeats)} repeats dropped${extra}`,
  );
}

function perSecond(count: number, seconds: number): string {
  return formatCount(Math.round(count / Math.max(seconds, 0.001)));
}

function round(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
