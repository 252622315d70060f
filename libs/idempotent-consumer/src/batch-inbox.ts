/** The port between what takes batches to their outcomes and what decides on one of them: the inbox. */
import type { Message, PoisonMessage } from './delivery.js';
import type { Outcome } from './outcome.js';

/** What to decide on together. A sequence occurs once. */
export interface Batch<E> {
  readonly messages: readonly Message<E>[];
  readonly poison: readonly PoisonMessage[];
  /** Messages whose attempts were counted: the count goes with the outcome. */
  readonly suspects?: readonly number[];
}

/** Attempts at a message that began, and those of them that ended. */
export interface AttemptFigures {
  readonly started: number;
  readonly finished: number;
}

/** Decides on batches. `Inbox` is the real one, and `MemoryInbox` its twin for tests; one suite holds both to this. */
export interface BatchInbox<E> {
  /**
   * Decides on a batch: the effect of what is new, and the outcome of everything, are kept together or not at all.
   *
   * @param statementMsMax a bound on its statements and on the handler's calls, where it is shorter than the usual
   * @returns the outcome of each sequence; those that are `postponed` belong into a later batch
   * @throws `HandlerError` for what the handler did, `ForeignSequenceError` when a sequence is known as another message
   */
  process(streamId: number, batch: Batch<E>, statementMsMax?: number): Promise<Map<number, Outcome>>;

  /**
   * Goes the whole way with a message that was stored before, under an id and sequences that nothing has, and takes all of
   * it back.
   *
   * @throws what every message would meet now; nothing remains in either case
   */
  rehearse(streamId: number, message: Message<E>): Promise<void>;

  /** Notes that a message is about to be processed alone. */
  startAttempt(streamId: number, seq: number): Promise<AttemptFigures>;

  /** Notes that a message failed alone, without ending the process. @returns how many times it has */
  failAttempt(streamId: number, seq: number, error: string): Promise<number>;

  /** Takes back the start of an attempt that came to no end of the message's own, as when the store is at fault. */
  withdrawAttempt(streamId: number, seq: number): Promise<void>;

  /** Notes that messages are processed in company. @returns those of which nothing was noted before */
  watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number>>;

  /** Forgets what was noted so: the process has not ended over them. */
  endWatch(streamId: number, seqs: readonly number[]): Promise<void>;
}
