/** What the checker finds: the names of the violations, and the verdict. */
import type { AuditOpinion } from './evidence.js';

/** The kinds of violations and their texts in the report. Each breaks a promise. */
export const VIOLATIONS = {
  lost: 'acknowledged, and not stored',
  unexpected: 'stored, and never sent or refused for good',
  duplicated: 'an effect took place more than once',
  unaccounted: 'a sequence of the stream is neither stored, duplicate nor dead letter',
  counted_twice: 'a sequence of the stream has more than one of the three',
  misplaced: 'a sequence is accounted for as another message than the one the stream has there',
  counters_differ: 'a counter differs from the rows it counts',
  figures_differ: 'GET /stats differs from the rows, or its sum does not add up',
  gateways_disagree: 'two gateways have different figures of the same rows',
  account_differs: 'the sum of an effect does not add up',
  first_not_kept: 'a conflict replaced the payload that came first',
  conflict_misjudged: 'a duplicate is wrongly called a conflict, or a conflict is not',
  dead_letter_missing: 'a poisonous message has no dead letter',
  dead_letter_unexpected: 'a dead letter was not poison',
  reason_wrong: 'a dead letter has a reason that does not fit its poison',
  key_without_event: 'a key has no event, or an event no key',
  committed_apart: 'an event and its key come from two transactions',
  never_drained: 'messages were still unsettled when the time was up',
  not_healed: 'the system was not whole again after a fault',
  stalled: 'nothing went on, although a majority of the brokers was together',
  audit_disagrees: 'sekali audit has another verdict',
} as const;

/** The name of a violation. */
export type ViolationName = keyof typeof VIOLATIONS;

/** One kind of violation, how often it was found, and some examples. */
export interface Violation {
  readonly name: ViolationName;
  readonly count: number;
  /** At most 20, each a line that says what and where. */
  readonly examples: readonly string[];
}

/** Counts of what was sent and found, which show that a verdict of "true" means something. */
export interface Tally {
  /** Messages sent, repeats included. */
  readonly sent: number;
  readonly operations: number;
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
  /** Events that were acknowledged at least once. */
  readonly acknowledged: number;
  /** Events of unknown outcome, because every try ended *info*: how many were stored, and how many not. */
  readonly unknownStored: number;
  readonly unknownNotStored: number;
  /**
   * Events that were only acknowledged shortly before the brokers were put back, and how many of them are not stored.
   */
  readonly exposed: number;
  readonly exposedLost: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  /** Poisonous messages that the brokers acknowledged. */
  readonly poison: number;
}

/** The verdict with its grounds. */
export interface Verdict {
  /** `unknown`: nothing was acknowledged, or something could not be read. */
  readonly valid: true | false | 'unknown';
  readonly violations: readonly Violation[];
  /** Why it is unknown; empty otherwise. */
  readonly unknowns: readonly string[];
  readonly tally: Tally;
  /** The opinion of `sekali audit`, when it was asked. */
  readonly audit?: AuditOpinion;
}
