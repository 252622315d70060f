/**
 * The evidence that is read at the end, row by row: the stream, the tables, the figures. Apart from the history, the
 * checker takes nothing else.
 *
 * Only what belongs to the run is read: topics that begin with the run's prefix. Sequences compare only within one
 * incarnation of the stream. A row without an incarnation belongs to the one that the stream has at the end.
 */
import type { PoisonReason, StatsView } from '#contracts';
import type { LossWindow } from '../history/loss-window.js';
import type { Poison } from '../workload/message.js';

/** A message that the stream still has. */
export interface StreamMessage {
  readonly seq: number;
  readonly topic: string;
  /** The event id, from the message id; empty when a message has none. */
  readonly eventId: string;
  /** From the payload; undefined for poison, whose body need not be readable. */
  readonly variant?: number;
}

/** The place that a row gives for its message. */
export interface Placed {
  readonly seq: number;
  /** Number of a former incarnation of the stream; null or left out for the present one. */
  readonly incarnation?: number | null;
}

/** A row of the table of events. */
export interface StoredEvent extends Placed {
  readonly topic: string;
  readonly eventId: string;
  /** From the payload; -1 when the payload has none. */
  readonly variant: number;
  /** From the payload; -1 when the payload has none. */
  readonly amount: number;
}

/** A row of the table of keys. */
export interface StoredKey extends Placed {
  readonly topic: string;
  readonly eventId: string;
}

/** A row of the table of duplicates. */
export interface StoredDuplicate extends Placed {
  readonly topic: string;
  readonly eventId: string;
  readonly firstSeq: number;
  /** The former incarnation of the first one; null or left out for the present one. */
  readonly firstIncarnation?: number | null;
  readonly conflict: boolean;
  /** The variant of the payload that was kept because it differs; undefined when none was kept. */
  readonly variant?: number;
}

/** A row of the table of dead letters. */
export interface StoredDeadLetter extends Placed {
  readonly topic: string;
  /** From the message id, or from the row; empty when neither has it. */
  readonly eventId: string;
  readonly reason: string;
}

/** The counters of a topic. */
export interface TopicCounters {
  readonly topic: string;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** The effect of the judge's own consumer on a topic. */
export interface Account {
  readonly topic: string;
  /** Sum of the amounts of the events that it took, each once. */
  readonly sum: number;
  readonly events: number;
}

/** The figures that one gateway gives at the end. */
export interface GatewayFigures {
  readonly gateway: string;
  readonly stats: StatsView;
}

/** The opinion of an independent reader, `sekali audit`. */
export interface AuditOpinion {
  readonly exitCode: number;
  readonly says: string;
  /** Whether it only found messages that brokers acknowledged and lost. */
  readonly onlyBrokenPromises?: boolean;
}

/** What is known before the rows are read. */
export interface Surroundings {
  /** Sequences that the run's messages can have: from the first after the start to the last at the end. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /**
   * The first sequence that the stream still had at the end. Everything below was purged, which an operator may do
   * after it is settled.
   */
  readonly streamFirstSeq: number;
  /** Whether there is no other producer. Then every sequence must be one of ours, and the figures are ours alone. */
  readonly alone: boolean;
  /** Whether everything was settled before its time was up. */
  readonly drained: boolean;
  /** Whether the judge's own consumer ran, whose accounts must add up. */
  readonly accounting: boolean;
  /** When the brokers were put back, so that acknowledgements meanwhile may be lost; none when left out. */
  readonly lossWindows?: readonly LossWindow[];
  /** Faults after which the system was not whole again, one line each; none when left out. */
  readonly notHealed?: readonly string[];
  /** When nothing went on although a majority of brokers was together, one line each; none when left out. */
  readonly stalls?: readonly string[];
}

/** The reason that the system must give for a kind of poison. */
export const REASON_OF: Readonly<Record<Poison, PoisonReason>> = {
  not_json: 'not_json',
  wrong_subject: 'subject_mismatch',
  nul: 'invalid_event',
  too_large: 'too_large',
  missing_field: 'invalid_event',
};
