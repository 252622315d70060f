/** What the checker finds: the names of the violations, and the verdict. */
import type { AuditOpinion } from './evidence.js';

/** What can be wrong, and in what words it is reported. Each is a promise broken. */
export const VIOLATIONS = {
  lost: 'acknowledged, and not stored',
  unexpected: 'stored, and never sent or refused for good',
  duplicated: 'an effect took place more than once',
  unaccounted: 'a sequence of the stream is neither stored, duplicate nor dead letter',
  counted_twice: 'a sequence of the stream has more than one of the three',
  misplaced: 'a sequence is accounted for as another message than the one the stream has there',
  counters_differ: 'a counter differs from the rows it counts',
  figures_differ: 'GET /stats differs from the rows, or its sum does not come out',
  gateways_disagree: 'two gateways say different things of the same rows',
  account_differs: 'the sum of an effect does not come out',
  first_not_kept: 'a conflict replaced the payload that came first',
  conflict_misjudged: 'a duplicate is called a conflict and is none, or the other way round',
  dead_letter_missing: 'a poisonous message is no dead letter',
  dead_letter_unexpected: 'a dead letter was no poison',
  reason_wrong: 'a dead letter has a reason that does not fit its poison',
  key_without_event: 'a key has no event, or an event no key',
  committed_apart: 'an event and its key come from two transactions',
  never_drained: 'messages were still unsettled when the time was up',
  not_healed: 'the system was not whole again after a fault',
  stalled: 'nothing went on, although most of the brokers were together',
  audit_disagrees: 'sekali audit says otherwise',
} as const;

/** The name of a violation. */
export type ViolationName = keyof typeof VIOLATIONS;

/** One kind of violation, how often it was found, and some of where. */
export interface Violation {
  readonly name: ViolationName;
  readonly count: number;
  /** At most 20, each a line that says what and where. */
  readonly examples: readonly string[];
}

/** Counts of what was sent and found, so that a verdict of "true" can be seen to mean something. */
export interface Tally {
  /** Messages sent, repeats included. */
  readonly sent: number;
  readonly operations: number;
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
  /** Events that were acknowledged at least once. */
  readonly acknowledged: number;
  /** Events of which nobody knew, because every try ended *info*: so many were stored, so many not. */
  readonly unknownStored: number;
  readonly unknownNotStored: number;
  /** Events that were acknowledged only while the brokers were about to be put back, and so many not stored. */
  readonly exposed: number;
  readonly exposedLost: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  /** Poisonous messages that the brokers acknowledged. */
  readonly poison: number;
}

/** The answer. */
export interface Verdict {
  /** `unknown`: nothing was acknowledged, or something could not be read. */
  readonly valid: true | false | 'unknown';
  readonly violations: readonly Violation[];
  /** Why it is unknown; empty otherwise. */
  readonly unknowns: readonly string[];
  readonly tally: Tally;
  /** What `sekali audit` said, where it was asked. */
  readonly audit?: AuditOpinion;
}
