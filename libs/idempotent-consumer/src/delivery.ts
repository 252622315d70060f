/** One delivery of one message. The broker redelivers a message that is not settled within the ack wait. */
export interface Delivery {
  /** The stream sequence: the identity of the message within one incarnation of the stream. */
  readonly seq: number;
  readonly subject: string;
  /** The body of the message. */
  readonly data: Uint8Array;
  /** Returns the first value of a header, or `undefined`. */
  header(name: string): string | undefined;
  /** Returns the headers as they were sent, one in each line, without parsing them; or `undefined`. */
  headerBytes(): Uint8Array | undefined;
  /** Returns all headers as JSON text, or `undefined` when there are none. */
  headersText(): string | undefined;
  /** How often the message was delivered: 1 at the first delivery. */
  readonly deliveryCount: number;
  /** The number of this delivery among all deliveries of the consumer, where they are counted. */
  readonly deliveryNumber?: number;
  /** When the broker accepted the message. */
  readonly publishedAt: Date;
  /** Settles the message: the broker never delivers it again. */
  ack(): void;
  /** Asks for a redelivery, `delayMs` milliseconds from now. */
  nak(delayMs: number): void;
  /** Settles a message that failed for good: the broker never delivers it again. */
  term(reason: string): void;
  /** Signals progress: the ack wait begins again. */
  working(): void;
}

/** A message that the decoder could read. */
export interface Message<E> {
  readonly delivery: Delivery;
  /** The topic and the event id together are the identity of an event. */
  readonly topic: string;
  readonly eventId: string;
  /** 64 bits of the content. Equal digests mean equal content; different digests need a comparison. */
  readonly digest: bigint;
  readonly event: E;
  /** What orders it among others, for a consumer that keeps an order. */
  readonly orderKey?: string;
}

/** A message that no worker can read, or that Postgres cannot store. */
export interface PoisonMessage {
  readonly delivery: Delivery;
  /** The topic under which the message is counted. There must be a bounded number of such names. */
  readonly topic: string;
  readonly eventId?: string;
  /** A short code, for example `not_json`. */
  readonly reason: string;
  /** A sentence for the operator. */
  readonly detail: string;
  /** What orders it among others, where that is known. */
  readonly orderKey?: string;
}

/**
 * Reads a delivery. It must not throw: it returns `poison` for a message that it cannot read. An `ignored`
 * message is acknowledged and leaves no trace.
 */
export type Decoder<E> = (
  delivery: Delivery,
) =>
  | { readonly ok: true; readonly message: Message<E> }
  | { readonly ok: false; readonly poison: PoisonMessage }
  | { readonly ok: false; readonly ignored: true };
