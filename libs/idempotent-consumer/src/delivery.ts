/** What comes from the broker, and what a decoder makes of it. */

/** One delivery of one message. A message that is not settled in time is delivered again. */
export interface Delivery {
  /** Stream sequence: the message's identity within one making of the stream. */
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** The first value of a header, or `undefined`. */
  header(name: string): string | undefined;
  /** All headers as JSON text, or `undefined` when there are none. */
  headersText(): string | undefined;
  /** 1 at the first delivery. */
  readonly deliveryCount: number;
  /** When the broker took the message. */
  readonly publishedAt: Date;
  /** Done: never deliver it again. */
  ack(): void;
  /** Deliver it again, `delayMs` from now. */
  nak(delayMs: number): void;
  /** Done, and not as intended: never deliver it again. */
  term(reason: string): void;
  /** Still at it: the time to settle begins anew. */
  working(): void;
}

/** A message that was understood. */
export interface Message<E> {
  readonly delivery: Delivery;
  /** Identity is topic and id together. */
  readonly topic: string;
  readonly eventId: string;
  /** 64 bits of the content: equal means the same content, different means look closer. */
  readonly digest: bigint;
  readonly event: E;
}

/** A message that no worker will ever understand, or that Postgres will never take. */
export interface PoisonMessage {
  readonly delivery: Delivery;
  /** Under which it is counted; a bounded set of names. */
  readonly topic: string;
  readonly eventId?: string;
  /** A short code, for example `not_json`. */
  readonly reason: string;
  /** A sentence for whoever mends it. */
  readonly detail: string;
}

/** Reads a delivery. It must not throw: what cannot be read is poison. What is ignored is acknowledged, and leaves no trace. */
export type Decoder<E> = (
  delivery: Delivery,
) =>
  | { readonly ok: true; readonly message: Message<E> }
  | { readonly ok: false; readonly poison: PoisonMessage }
  | { readonly ok: false; readonly ignored: true };
