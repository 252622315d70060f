/**
 * What is read at the end, row by row: the stream, the tables, the figures. The checker takes nothing else but the
 * history.
 *
 * Only what belongs to the run is read: topics that begin with the run's prefix. Sequences compare only within one
 * incarnation of the stream: where a row names none, it belongs to the one in which the stream is at the end.
 */
import type { PoisonReason, StatsView } from '#contracts';
import type { LossWindow } from '../history/loss-window.js';
import type { Poison } from '../workload/message.js';

/** A message that the stream still has. */
export interface StreamMessage {
  readonly seq: number;
  readonly topic: string;
  /** The event id, from the message id; empty where a message has none. */
  readonly eventId: string;
  /** From the payload; undefined for poison, whose body need not be readable. */
  readonly variant?: number;
}

/** Where a row says that its message was. */
export interface Placed {
  readonly seq: number;
  /** Number of a former incarnation of the stream; null or left out for the one that lasts. */
  readonly incarnation?: number | null;
}

/** A row of the table of events. */
export interface StoredEvent extends Placed {
  readonly topic: string;
  readonly eventId: string;
  /** From the payload; -1 where the payload has none. */
  readonly variant: number;
  /** From the payload; -1 where the payload has none. */
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
  /** The former incarnation of the first one; null or left out for the one that lasts. */
  readonly firstIncarnation?: number | null;
  readonly conflict: boolean;
  /** Of the payload that was kept because it differs; undefined where none was kept. */
  readonly variant?: number;
}

/** A row of the table of dead letters. */
export interface StoredDeadLetter extends Placed {
  readonly topic: string;
  /** As the message id says, or the row; empty where neither does. */
  readonly eventId: string;
  readonly reason: string;
}

/** What the counters of a topic say. */
export interface TopicCounters {
  readonly topic: string;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** What the effect of the judge's own consumer has come to, for a topic. */
export interface Account {
  readonly topic: string;
  /** Sum of the amounts of the events it took, each once. */
  readonly sum: number;
  readonly events: number;
}

/** What one gateway says of itself at the end. */
export interface GatewayFigures {
  readonly gateway: string;
  readonly stats: StatsView;
}

/** What an independent reader said: `sekali audit`. */
export interface AuditOpinion {
  readonly exitCode: number;
  readonly says: string;
  /** All that it finds is messages that brokers acknowledged and lost. */
  readonly onlyBrokenPromises?: boolean;
}

/** What is known before the rows come. */
export interface Surroundings {
  /** Sequences that the run's messages can have: from the first after the start to the last at the end. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /**
   * The first sequence that the stream still had at the end: what lies below was purged, which an operator may do once
   * it is settled.
   */
  readonly streamFirstSeq: number;
  /** Whether nobody else publishes: then every sequence has to be one of ours, and the figures are ours alone. */
  readonly alone: boolean;
  /** Whether everything was settled before the time for it was up. */
  readonly drained: boolean;
  /** Whether the judge's own consumer ran, whose accounts must come out. */
  readonly accounting: boolean;
  /** When the brokers were put back, and what they were told meanwhile may be lost; none where left out. */
  readonly lossWindows?: readonly LossWindow[];
  /** Faults after which the system was not whole again, a line each; none where left out. */
  readonly notHealed?: readonly string[];
  /** When nothing went on although most brokers were together, a line each; none where left out. */
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
