/**
 * Whether the figures of the system agree with what was sent. Pure.
 *
 * A send whose answer was lost may have reached the brokers. If it is sent again, there is one more duplicate. So with
 * resends the duplicates have a range; without resends they are exact.
 */
import type { StatsView } from '#contracts';

/** What the producers did. */
export interface SentFigures {
  /** Different ids. */
  readonly events: number;
  /** Sends beyond one per id. */
  readonly repeats: number;
  readonly accepted: number;
  /** What the answers to the producers said. */
  readonly duplicates: number;
  readonly resends: number;
  readonly refused: number;
  readonly missing: number;
}

/** What changed in the system meanwhile. */
export interface SystemChange {
  readonly stored: number;
  readonly duplicatesAtBroker: number;
  readonly duplicatesAtStore: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  /** The value at the end, not a change. */
  readonly inFlight: number;
}

/** The account, one sentence for each problem. */
export interface Account {
  readonly exact: boolean;
  readonly problems: readonly string[];
  /** All repeats that were dropped, by brokers and store. */
  readonly duplicates: number;
  /** The largest possible number of duplicates; the smallest is `repeats`. */
  readonly duplicatesMax: number;
}

/** The difference between two readings of `GET /stats`. */
export function changeBetween(before: StatsView, after: StatsView): SystemChange {
  return {
    stored: after.unique_processed - before.unique_processed,
    duplicatesAtBroker: after.duplicates.broker - before.duplicates.broker,
    duplicatesAtStore: after.duplicates.store - before.duplicates.store,
    conflicts: after.conflicts - before.conflicts,
    deadLetters: after.dead_letters - before.dead_letters,
    inFlight: after.in_flight,
  };
}

/**
 * Compares.
 *
 * @param via over NATS, the brokers report only to the producer what they dropped, so no gateway can count it
 * @param rerun whether the run's ids may exist already (`--run` was given): then only the sums are known
 */
export function accountFor(
  sent: SentFigures,
  change: SystemChange,
  via: 'http' | 'nats',
  rerun: boolean,
): Account {
  const atBroker = change.duplicatesAtBroker + (via === 'nats' ? sent.duplicates : 0);
  const duplicates = atBroker + change.duplicatesAtStore;
  const duplicatesMax = sent.repeats + sent.resends;
  const problems: string[] = [];
  if (sent.missing > 0) problems.push(`${sent.missing} sends were never answered with an acceptance`);
  if (sent.refused > 0) problems.push(`${sent.refused} sends were refused`);
  if (change.inFlight > 0) problems.push(`${change.inFlight} are still in flight`);
  if (change.conflicts !== 0) problems.push(`${change.conflicts} conflicts, but none was sent`);
  if (change.deadLetters !== 0) problems.push(`${change.deadLetters} dead letters, but none was sent`);
  const sum = change.stored + duplicates;
  const sends = sent.events + sent.repeats;
  if (rerun) {
    if (sum < sends || sum > sends + sent.resends) {
      problems.push(`${sum} stored or dropped as duplicates, but ${sends} were sent`);
    }
  } else {
    if (change.stored !== sent.events)
      problems.push(`${change.stored} stored, but ${sent.events} different events were sent`);
    if (duplicates < sent.repeats || duplicates > duplicatesMax) {
      problems.push(`${duplicates} dropped as duplicates, but ${sent.repeats} repeats were sent`);
    }
  }
  const foreign = sum > sends + sent.resends;
  if (foreign)
    problems.push(
      'more came in than was sent: another producer is sending, so the figures cannot be separated',
    );
  return { exact: problems.length === 0, problems, duplicates, duplicatesMax };
}
