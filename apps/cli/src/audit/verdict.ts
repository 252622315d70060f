/**
 * From findings to a verdict: whole, violated, or unknown. It is pure: the result depends on the argument alone.
 *
 * A violation counts even when something else is unknown, because a fault remains a fault.
 */
import type {
  CounterFault,
  DroppedPayloads,
  DroppedRowsOfStream,
  ForgottenIdsOfStream,
  HistogramFault,
  LedgerTotals,
  RepeatedKeys,
  RowFault,
} from '#store';
import { countOf } from '../output.js';
import type { PromiseFindings } from './promises.js';
import type { RangeTally } from './range-tally.js';
import type { SequenceFindings } from './sequence-reconciliation.js';

/** The audit's verdict. */
export type Verdict = 'whole' | 'violated' | 'unknown';

/** Rows that contradict another, by the kind of contradiction. */
export type RowFaultTallies = ReadonlyMap<RowFault['fault'], RangeTally>;

/** What was found in the rows of one incarnation of a stream, whether the stream still exists or not. */
export interface LedgerFindings {
  readonly totals: LedgerTotals;
  readonly counters: readonly CounterFault[];
  readonly rows: RowFaultTallies;
}

/** An incarnation of a stream other than the current one. */
export interface PastStreamFindings extends LedgerFindings {
  readonly streamId: number;
  readonly name: string | undefined;
  readonly identity: string | undefined;
  /**
   * The current stream is based on this incarnation up to here. The rows behind it are counted; the stream has lost
   * their messages.
   */
  readonly lostBehind: number | undefined;
  readonly doubled: RangeTally;
}

/** All findings of the audit. */
export interface AuditFindings {
  readonly sequences: SequenceFindings;
  /** Sequences under which the stream has another message than the ledger, of those that were compared. */
  readonly foreign: RangeTally;
  /** Ids that took effect twice, because a generation of keys took them that was closed. */
  readonly repeatedKeys: RepeatedKeys;
  /** Topics whose counts by time differ from their counters or rows. */
  readonly histogram: readonly HistogramFault[];
  /**
   * How far the consumer has acknowledged beyond the end of the stream. Messages that arrive there are not delivered.
   */
  readonly ahead: number;
  readonly ledger: LedgerFindings;
  /** The payloads that were dropped by age. */
  readonly dropped: DroppedPayloads;
  /** The other rows that were dropped by age. */
  readonly droppedRows: readonly DroppedRowsOfStream[];
  /** The ids that were forgotten by age. */
  readonly forgottenIds: readonly ForgottenIdsOfStream[];
  readonly promises: PromiseFindings;
  /** Messages that the consumer had not settled when the audit began; `undefined` when there is no consumer. */
  readonly unsettled: number | undefined;
  /** Sequences in flight that were in the stream when the consumer was asked. */
  readonly inFlightThen: number;
  /** Whether `--wait` ended before nothing was in flight. */
  readonly waitedInVain: boolean;
  readonly past: readonly PastStreamFindings[];
}

/** A verdict with its reasons, one sentence each. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly violations: readonly string[];
  readonly doubts: readonly string[];
}

const ROW_FAULTS: Record<RowFault['fault'], (rows: number) => string> = {
  event_without_key: (rows) => `${countOf(rows, 'event')} without a key`,
  key_without_event: (rows) => `${countOf(rows, 'key')} without an event, although the day is there`,
  event_differs_from_key: (rows) => `${countOf(rows, 'event')} that contradict the key`,
  duplicate_without_key: (rows) => `${countOf(rows, 'duplicate')} of an event that is not stored`,
  duplicate_of_another: (rows) =>
    `${countOf(rows, 'duplicate')} that name another first event than the stored one`,
};

const BROKEN = 'acknowledged to a producer, but not in the stream';

/** Judges. */
export function judge(findings: AuditFindings): Judgement {
  const { sequences } = findings;
  const violations = [
    ...count(sequences.skipped, 'acknowledged but not in the ledger'),
    ...count(sequences.lost, 'gone from the stream before they were stored'),
    ...count(sequences.doubled, 'in more than one table'),
    ...count(sequences.beyond, 'in the ledger, but never in the stream'),
    ...count(findings.foreign, 'with another message in the stream than in the ledger'),
    ...repeatedKeyViolations(findings.repeatedKeys),
    ...findings.histogram.map(
      ({ topic, kind }) => `the counts by time of topic ${topic} do not equal its ${kind}`,
    ),
    ...(findings.ahead > 0
      ? [
          `the consumer is ${plural(findings.ahead)} ahead of the stream, and would not receive the next messages`,
        ]
      : []),
    ...(sequences.inFlight.count === 0 ? count(findings.promises.broken, BROKEN) : []),
    ...ledgerViolations(findings.ledger, ''),
    ...droppedViolations(findings.dropped),
    ...findings.droppedRows.flatMap(markViolations),
    ...findings.forgottenIds.flatMap(forgottenViolations),
    ...findings.past.flatMap((past) => pastViolations(past)),
  ];
  const doubts = doubtsOf(findings);
  const verdict = violations.length > 0 ? 'violated' : doubts.length > 0 ? 'unknown' : 'whole';
  return { verdict, violations, doubts };
}

function repeatedKeyViolations({ count: keys, first }: RepeatedKeys): string[] {
  if (first === undefined) return [];
  return [`${countOf(keys, 'id')} in two generations of keys, the first ${first.topic} ${first.eventId}`];
}

function droppedViolations({ faults, faultsOmitted }: DroppedPayloads): string[] {
  const [first] = faults;
  if (first === undefined) return [];
  return [
    `${countOf(faults.length + faultsOmitted, 'day')} of a topic that lack other events than retention has noted, ` +
      `the first ${first.topic} on ${first.day}: ${first.missing} are missing and ${first.noted} are noted`,
  ];
}

function markViolations(dropped: DroppedRowsOfStream): string[] {
  const { streamId, duplicates, duplicatesMarked, deadLetters, deadLettersMarked } = dropped;
  if (duplicates === duplicatesMarked && deadLetters === deadLettersMarked) return [];
  return [
    `of stream number ${streamId}, ${duplicates} duplicates and ${deadLetters} dead letters were dropped by count, ` +
      `but ${duplicatesMarked} and ${deadLettersMarked} by sequence`,
  ];
}

function forgottenViolations({ streamId, ids, marked }: ForgottenIdsOfStream): string[] {
  if (ids === marked) return [];
  return [`of stream number ${streamId}, ${ids} ids were forgotten by count, but ${marked} by sequence`];
}

function doubtsOf(findings: AuditFindings): string[] {
  const doubts: string[] = [];
  const inFlight = findings.sequences.inFlight.count;
  if (findings.unsettled === undefined && inFlight > 0) {
    doubts.push(`there is no consumer, so ${plural(inFlight)} may never be stored`);
  }
  if (findings.unsettled !== undefined && findings.inFlightThen > findings.unsettled) {
    const excess = findings.inFlightThen - findings.unsettled;
    doubts.push(
      `${plural(findings.inFlightThen)} seem in flight, but the consumer knows of ${findings.unsettled}: ` +
        `if a second audit finds the same, ${excess} were acknowledged without being stored`,
    );
  }
  if (inFlight > 0 && findings.promises.broken.count > 0) {
    doubts.push(
      `${plural(findings.promises.broken.count)} ${BROKEN}: audit again when nothing is in flight, in case they were sent again`,
    );
  }
  if (findings.waitedInVain) doubts.push(`${plural(inFlight)} still in flight when the wait was over`);
  return doubts;
}

function ledgerViolations(ledger: LedgerFindings, where: string): string[] {
  const counters = ledger.counters.map(
    (fault) => `the counters of topic ${fault.topic}${where} do not equal its rows`,
  );
  const rows = [...ledger.rows].flatMap(([fault, tally]) =>
    tally.count > 0 ? [`${ROW_FAULTS[fault](tally.count)}${where}`] : [],
  );
  return [...counters, ...rows];
}

function pastViolations(past: PastStreamFindings): string[] {
  if (past.name === undefined) return [`rows of stream number ${past.streamId}, which belongs to no stream`];
  const where = ` (stream ${past.name}, known as ${past.identity ?? 'nothing'})`;
  return [...count(past.doubled, `in more than one table${where}`), ...ledgerViolations(past, where)];
}

function count(tally: RangeTally, what: string): string[] {
  return tally.count > 0 ? [`${plural(tally.count)} ${what}`] : [];
}

function plural(sequences: number): string {
  return countOf(sequences, 'sequence');
}
