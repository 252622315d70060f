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

/** The source of every event, also as a CloudEvent. */
export const SOURCE = 'sekali-chaos';

/**
 * The payload of an event: what the store keeps, and what the judge reads back.
 *
 * It is a CloudEvent, whose extensions are what the judge reads. A gateway makes the same event of the CloudEvent alone,
 * and of the same text as a document. So one event may be repeated through every door, and its payload stays the same.
 */
export interface ChaosPayload {
  readonly specversion: '1.0';
  /** The end of the event id, see `cloudEventIdOf`. */
  readonly id: string;
  /** Undefined only in poison. */
  readonly source: string | undefined;
  /** The topic. */
  readonly type: string;
  /** The time of the event. */
  readonly time: string;
  /** Added to the account of its topic, once; the same in every variant of an event. 1 to 1,000. */
  readonly amount: number;
  readonly variant: number;
  /** Fills the event up to its size. */
  readonly filler: string;
}

/** An event id as a gateway makes it of a CloudEvent: its source and its id, with a blank between them. */
export function eventIdOf(cloudEventId: string): string {
  return `${SOURCE} ${cloudEventId}`;
}

/** The id of the CloudEvent with this event id. */
export function cloudEventIdOf(eventId: string): string {
  return eventId.slice(SOURCE.length + 1);
}

/** The amount of an event, from its identity: 1 to 1,000. It uses FNV-1a, so that neighbouring ids differ. */
export function amountOf(topic: string, eventId: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${topic}:${eventId}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return (hash % 1_000) + 1;
}
