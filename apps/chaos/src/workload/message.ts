/**
 * What producers send: events, and the poison among them.
 *
 * Everything about a message follows from its topic, its number and its variant, so the judge needs no copy of what it
 * sent. The amount of an event is the same in all its variants, and the payload of a variant says which it is.
 */

/** Why a message is not an ordinary event. */
export type Poison =
  /** The body is not JSON. */
  | 'not_json'
  /** The body names another topic than its subject. */
  | 'wrong_subject'
  /** The payload has `\u0000`, which Postgres cannot store. */
  | 'nul'
  /** The event is larger than the limit, the message smaller than the broker's. */
  | 'too_large'
  /** A required field is missing. */
  | 'missing_field';

/** One message as it is sent, once or repeatedly. */
export interface Message {
  readonly topic: string;
  readonly eventId: string;
  /** 0 for the first payload of an event; another number for a repeat that contradicts it. */
  readonly variant: number;
  /** Undefined for a valid event. */
  readonly poison?: Poison;
}

/** The payload of an event: what the store keeps, and what the judge reads back. */
export interface ChaosPayload {
  /** Added to the account of its topic, once; the same in every variant of an event. 1 to 1,000. */
  readonly amount: number;
  readonly variant: number;
  /** Fills the event up to its size. */
  readonly filler: string;
}

/** The amount of an event, from its identity: 1 to 1,000. It uses FNV-1a, so that neighbouring ids differ. */
export function amountOf(topic: string, eventId: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${topic}:${eventId}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return (hash % 1_000) + 1;
}
