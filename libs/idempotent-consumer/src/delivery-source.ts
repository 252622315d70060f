/**
 * The port between a consumer and the place where its deliveries come from: a durable consumer of a stream.
 *
 * `DurableConsumer` is the real one, and `MemoryConsumer` its twin in memory; one suite holds both to this.
 */
import type { Delivery } from './delivery.js';

/** The least that a pull requests, so that a message of any size that the brokers accept fits. */
export const PULL_BYTES_MIN = 2_097_152;

/** The state of the stream, as its leader reports it. */
export interface StreamState {
  readonly name: string;
  /** Distinguishes it from another stream of the same name. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly subjects: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The name of the broker that leads the stream, in the same form as that of a consumer. */
  readonly leader: string | undefined;
}

/** The state of a durable consumer and its stream. */
export interface ConsumerState {
  /** The stream is inspected after the consumer, so a sound consumer is never ahead of it. */
  readonly stream: StreamState;
  /** When the consumer was created. */
  readonly created: string;
  /** Messages that were not delivered yet. */
  readonly pending: number;
  /** Deliveries that are not settled. */
  readonly ackPending: number;
  /** Every message up to this sequence is settled. */
  readonly ackFloorSeq: number;
  /** The sequence of the last delivered message, and the number of that delivery. */
  readonly deliveredSeq: number;
  readonly deliveryCount: number;
  readonly ackWaitMs: number;
  /** Whether a filter leaves out a part of the stream. */
  readonly isFiltered?: boolean;
  /** The subjects that the filter lets through; none without a filter. */
  readonly filters?: readonly string[];
  /** The name of the broker that leads the consumer, if there are several and they have agreed on one. */
  readonly leader: string | undefined;
}

/**
 * What a session calls while it is open. A call of `request` never delivers by itself: deliveries come later.
 */
export interface SessionEvents {
  readonly onDelivery: (delivery: Delivery) => void;
  /** A request ran out: there is room for another one. */
  readonly onPullEnded: () => void;
  /**
   * The session ended, by `lose` or for a reason of its own. It is called once at most, and not after
   * `close`.
   */
  readonly onLost: (reason: string) => void;
}

/**
 * One period of deliveries, from the moment it is opened until the first doubt. Nothing comes that was not
 * requested.
 */
export interface DeliverySession {
  /** Deliveries requested that have not come yet. */
  readonly requested: number;
  /** Milliseconds since a delivery came, while some are requested; 0 while none is. */
  readonly quietMs: number;
  /** When a delivery came last, or some were requested after a pause, by the clock of `performance`. */
  readonly deliveredMs: number;
  /**
   * Requests more, where enough is missing to be worth a request.
   *
   * @param room how many deliveries may be requested or unsettled in all, less those that are here already
   * @param roomBytes the same in bytes; below `PULL_BYTES_MIN`, nothing is requested
   */
  request(room: number, roomBytes: number): void;
  /** Ends the session because of a doubt. */
  lose(reason: string): void;
  /** Ends the session. What was delivered may still be settled. */
  close(): void;
}

/** A durable consumer of a stream. What is not settled within its ack wait is delivered again. */
export interface DeliverySource {
  /** The names of the stream and of the consumer, for messages. */
  readonly address: { readonly stream: string; readonly consumer: string };
  /** Name of the broker that answers here, where there is one. */
  readonly broker: string | undefined;

  /**
   * @returns the state of the consumer and its stream, or `undefined` where the consumer does not exist.
   * Throws without an answer
   */
  inspect(): Promise<ConsumerState | undefined>;

  /** Notes that the broker answers, for a caller who has seen so without asking. */
  answered(): void;

  /**
   * When a message was published, as the leader of the stream says; `undefined` where it does not have it.
   */
  publishedMs(seq: number): Promise<number | undefined>;

  /** The last sequence of the stream, as its leader says. */
  lastSeq(): Promise<number>;

  /** Opens a session. Several may be open at a time; each delivery goes to one of them. */
  open(events: SessionEvents): DeliverySession;

  /**
   * Has messages delivered again at once that are delivered and not settled, by this process or by another
   * one.
   *
   * @param state the state of the consumer a moment ago
   * @param except sequences that are left alone
   */
  giveBack(firstSeq: number, lastSeq: number, state: ConsumerState, except: ReadonlySet<number>): void;

  /**
   * Has the consumer deliver the first message at or after a sequence next, and forget what it delivered
   * before.
   *
   * @throws when the brokers do not do it
   */
  reset(seq: number): Promise<void>;

  /**
   * Has another broker lead the consumer, if possible one of this name. Throws when the brokers do not do it.
   */
  leadFrom(broker: string | undefined): Promise<void>;

  /** Resolves when every answer that was given has been sent, or cannot be sent any more. */
  flush(): Promise<void>;
}
