/** The shapes of a story at the gateway's HTTP door, named as on the wire. */

import type { PublishDoor } from './publish-door.js';

/** One entry in the form of `GET /events/{topic}/{event_id}/story`. Instants are ISO 8601 in UTC. */
export type StoryEntryView = {
  /** The brokers' time of what was published, else that of the database. */
  readonly at: string;
  /** Of the message. For a replay or a drop, that of the dead letter. */
  readonly seq: number;
} & (
  | {
      readonly kind: 'published';
      /** By the form of its message id. Null when the brokers no longer have the message, or do not answer. */
      readonly through: 'gateway' | 'nats' | 'replay' | null;
      /** Of the gateway. Null for other ways, and from a gateway of the version before. */
      readonly door: PublishDoor | null;
    }
  | { readonly kind: 'stored'; readonly timestamp: string | null; readonly source: string | null }
  | ({ readonly kind: 'duplicate' } & StoryRepeatView)
  | ({
      readonly kind: 'conflict';
      /** Null when the stored payload was dropped by age. */
      readonly differences: readonly StoryDifferenceView[] | null;
      readonly more_differences: boolean;
    } & StoryRepeatView)
  | {
      readonly kind: 'dead_letter';
      readonly dead_letter: string;
      readonly consumer: string;
      readonly reason: string;
      readonly detail: string;
      readonly deliveries: number;
      readonly recorded_at: string;
      /** Whether the message is the replay of an earlier dead letter. */
      readonly is_replay: boolean;
    }
  | ({
      readonly kind: 'replay';
      /** Where the brokers have the replay; null until they acknowledged it. */
      readonly replay_seq: number | null;
      readonly became: 'stored' | 'duplicate' | 'dead_letter' | 'in_flight' | null;
    } & StoryActionView)
  | ({ readonly kind: 'drop' } & StoryActionView)
);

/** A message that repeats an event. */
export interface StoryRepeatView {
  readonly recorded_at: string;
  /** Sequences after the first message; null when the stream was created again in between. */
  readonly messages_later: number | null;
  /** Null when the payload was dropped by age, and the time of the first message with it. */
  readonly seconds_later: number | null;
}

/** What an operator did with a dead letter. */
export interface StoryActionView {
  readonly dead_letter: string;
  readonly consumer: string;
  /** The name of the key; null where keys are not required. */
  readonly by: string | null;
  readonly reason: string | null;
}

/** One place where two payloads differ. A value that a payload lacks is left out; of a long one, its bytes are said. */
export interface StoryDifferenceView {
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly stored?: unknown;
  readonly stored_bytes?: number;
  readonly sent?: unknown;
  readonly sent_bytes?: number;
}

/** A page of a story. */
export interface StoryView {
  readonly topic: string;
  readonly event_id: string;
  readonly state: 'stored' | 'payload_dropped' | 'not_stored';
  /** Oldest first. */
  readonly entries: readonly StoryEntryView[];
}
