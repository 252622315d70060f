/** A dead letter as operators see it: the message that was given up, and what became of it since. */
import type { DeadLetterReference } from './dead-letter-reference.js';

/**
 * What became of a dead letter.
 *
 * - `open`: nothing was done, or its last replay failed again
 * - `replaying`: a replay was begun, and the consumer has not decided on it yet
 * - `stored`, `duplicate`: how its last replay ended
 * - `dropped`: it was given up for good, with a reason
 */
export const DEAD_LETTER_STATES = ['open', 'replaying', 'stored', 'duplicate', 'dropped'] as const;

/** See `DEAD_LETTER_STATES`. */
export type DeadLetterState = (typeof DEAD_LETTER_STATES)[number];

/** The last action on a dead letter. */
export interface LastAction {
  readonly kind: 'replay' | 'drop';
  /** The name of the key; null where keys are not required. */
  readonly by: string | null;
  readonly reason: string | null;
  readonly at: string;
  /** Where the brokers have the replay; null for a drop, or until they acknowledged it. */
  readonly replaySeq: number | null;
}

/** A dead letter without its body. Instants are ISO 8601 in UTC. */
export interface DeadLetterEntry {
  readonly reference: DeadLetterReference;
  readonly streamId: number;
  /** The topic under which it is counted; in brackets where the subject names none. */
  readonly topic: string;
  readonly eventId: string | null;
  readonly subject: string;
  readonly reason: string;
  readonly detail: string;
  /** Dead letters with the same one failed alike. */
  readonly fingerprint: string;
  readonly deliveries: number;
  readonly bodyBytes: number;
  readonly recordedAt: string;
  readonly state: DeadLetterState;
  /** The number of actions on it. The next action has the number that follows. */
  readonly actions: number;
  readonly last: LastAction | null;
}

/** A row of an entry, as dead-letter-statements.ts selects it. */
export interface EntryRow {
  readonly stream_id: number;
  readonly seq: number;
  readonly topic: string;
  readonly event_id: string | null;
  readonly subject: string;
  readonly reason: string;
  readonly detail: string;
  readonly fingerprint: string;
  readonly deliveries: number;
  readonly body_bytes: number;
  readonly published_at: Date;
  readonly recorded_at: string;
}

/** A row with what became of the dead letter. */
export interface JudgedRow extends EntryRow {
  readonly state: DeadLetterState;
  readonly actions: number;
  readonly last_kind: 'replay' | 'drop' | null;
  readonly last_by: string | null;
  readonly last_reason: string | null;
  readonly last_at: string | null;
  readonly last_seq: number | null;
}

/** What became of a dead letter. */
export type Judgement = Pick<DeadLetterEntry, 'state' | 'actions' | 'last'>;

/** Converts a row to an entry. */
export function deadLetterEntry(consumer: string, row: EntryRow, judgement: Judgement): DeadLetterEntry {
  return {
    reference: { consumer, seq: row.seq, publishedMs: row.published_at.getTime() },
    streamId: row.stream_id,
    topic: row.topic,
    eventId: row.event_id,
    subject: row.subject,
    reason: row.reason,
    detail: row.detail,
    fingerprint: row.fingerprint,
    deliveries: row.deliveries,
    bodyBytes: row.body_bytes,
    recordedAt: row.recorded_at,
    ...judgement,
  };
}

/** Reads what became of a dead letter from its row. */
export function judgementOf(row: JudgedRow): Judgement {
  const { state, actions, last_kind: kind } = row;
  if (kind === null) return { state, actions, last: null };
  const { last_by: by, last_reason: reason, last_at: at, last_seq: replaySeq } = row;
  return { state, actions, last: { kind, by, reason, at: at ?? '', replaySeq } };
}
