import type { Message, PoisonMessage } from './delivery.js';
import type { Outcome } from './outcome.js';

/** What an inbox decides on together. Each sequence occurs once. */
export interface Batch<E> {
  readonly messages: readonly Message<E>[];
  readonly poison: readonly PoisonMessage[];
  /** Sequences whose attempts were counted. The outcome clears their counts. */
  readonly suspects?: readonly number[];
  /** Messages that wait for a time, and with them what follows of their keys: see order/event-order.ts. */
  readonly parking?: readonly Parking<E>[];
  /** Whether the batch was parked before. */
  readonly wereParked?: boolean;
}

/** A message that takes effect later. */
export interface Parking<E> {
  readonly message: Message<E>;
  readonly delayMs: number;
}

/** Attempts at a message that began, and how many of them ended. */
export interface AttemptFigures {
  readonly started: number;
  readonly finished: number;
}

/**
 * The port between `BatchProcessor` and the inbox, which decides on one batch. `Inbox` is the implementation
 * in Postgres, and `MemoryInbox` its in-memory twin for tests. One conformance suite runs against both.
 */
export interface BatchInbox<E> {
  /**
   * Decides on a batch. The effect of new events and the outcomes of all are committed together, or not at
   * all.
   *
   * @param statementMsMax a bound on its statements and on the handler's calls, if it is shorter than the
   *   usual one
   * @returns the outcome of each sequence; `postponed` ones belong into a later batch
   * @throws `HandlerError` for a failure of the handler, and `ForeignSequenceError` when a sequence is known
   *   as another message
   */
  process(streamId: number, batch: Batch<E>, statementMsMax?: number): Promise<Map<number, Outcome>>;

  /**
   * Processes a message that was stored before, under an id and sequences that do not exist, and rolls all of
   * it back.
   *
   * @throws what every message would meet now; nothing remains in either case
   */
  rehearse(streamId: number, message: Message<E>): Promise<void>;

  /** Notes that a message is about to be processed alone. */
  startAttempt(streamId: number, seq: number): Promise<AttemptFigures>;

  /**
   * Notes that a message failed alone, without ending the process. @returns how often it has failed so far
   */
  failAttempt(streamId: number, seq: number, error: string): Promise<number>;

  /**
   * Withdraws the start of an attempt that says nothing about the message, for example because the store is
   * at fault.
   */
  withdrawAttempt(streamId: number, seq: number): Promise<void>;

  /** Notes that messages are processed together with others. @returns those that were not noted before */
  watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number>>;

  /** Removes the notes of `watch`, because the work on these messages ended without ending the process. */
  endWatch(streamId: number, seqs: readonly number[]): Promise<void>;
}
