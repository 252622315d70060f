/** An at-least-once producer, which `simulate` and `ship` send with. */

/** An event as it is sent, with the field names of the wire. */
export interface OutgoingEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Over NATS: a separate message id, as if the duplicate window had passed since the last send. */
  readonly messageIdSuffix?: string;
}

/** An event that will never be accepted, and why. */
export interface RefusedEvent {
  readonly eventId: string;
  readonly reason: string;
}

/** The outcome of some events. `accepted + refused.length + missing` is their number. */
export interface SendOutcome {
  /** Events that the brokers have. */
  readonly accepted: number;
  /** Accepted events that the brokers already had. */
  readonly duplicates: number;
  readonly refused: readonly RefusedEvent[];
  /** Events given up or interrupted; the brokers may have them or not. */
  readonly missing: number;
  /** Events sent again because no answer said that the brokers have them. */
  readonly resends: number;
}

/** Sends events repeatedly, with the same ids, until they are accepted, refused for good, or given up. */
export interface Producer {
  send(events: readonly OutgoingEvent[]): Promise<SendOutcome>;
  close(): Promise<void>;
}

/** How patient a producer is. */
export interface ProducerPatience {
  /** How long an event is sent repeatedly. */
  readonly giveUpMs: number;
  /** Ends the waiting, not the request that is on its way. */
  readonly signal: AbortSignal;
}

/** The state of a send that may take several tries. */
export class SendLedger {
  accepted = 0;
  duplicates = 0;
  resends = 0;
  readonly refused: RefusedEvent[] = [];

  outcome(missing: number): SendOutcome {
    const { accepted, duplicates, resends, refused } = this;
    return { accepted, duplicates, resends, refused, missing };
  }
}

const RETRY_FIRST_MS = 200;
const RETRY_LAST_MS = 5_000;

/** How long to wait before the next try: it doubles, with jitter, unless the other side said how long. */
export function resendDelayMs(tries: number, askedMs: number | undefined, random = Math.random()): number {
  if (askedMs !== undefined) return askedMs;
  const fullMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(tries - 1, 10));
  return fullMs * (0.5 + random / 2);
}
