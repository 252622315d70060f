/**
 * Tells a defect of the store from the fault of a message.
 *
 * Mostly by where the error comes from: what a handler throws is the fault of its message, what the inbox meets is not,
 * except for a value that it cannot keep.
 *
 * A program whose handler does nothing but store may ask for more (`probesStore`): there, what fails alike for every message
 * is a defect of the store. The last message that the store took is known to be good. It goes the whole way once more, under
 * an id and sequences that nothing has, in a transaction that is always rolled back (`Inbox.rehearse`). Where it fails too,
 * no other message is to blame. It is kept in memory, so a process that has not stored anything yet knows none.
 */
import { classifyDatabaseError, isUnavailable, isUniqueViolation } from '#postgres';
import type { BatchInbox } from './batch-inbox.js';
import type { Message } from './delivery.js';
import { failureOf, HandlerError, rootOf } from './handler-error.js';
import type { OutageGate } from './outage-gate.js';
import type { Outcome } from './outcome.js';
import { ForeignSequenceError } from './postgres/foreign-sequence.js';

/** Whether the store takes a good message: it does, it does not, or no good message is known yet. */
export type StoreState = 'works' | 'broken' | 'unknown';

/** Others are rarely at the same rows for so many tries; then it is something about this work. */
const CONTENTIONS_MAX = 250;

/** See the head of this file. */
export class StoreProbe<E> {
  private good: Message<E> | undefined;

  constructor(
    private readonly inbox: Pick<BatchInbox<E>, 'rehearse'>,
    private readonly gate: OutageGate,
    /** Whether a handler's error may be a defect of the store. */
    private readonly isOn: boolean,
  ) {}

  /** Learns from a batch that was committed. */
  learn(messages: readonly Message<E>[], outcomes: ReadonlyMap<number, Outcome>): void {
    for (let at = messages.length - 1; at >= 0; at--) {
      const message = messages[at];
      if (message === undefined || outcomes.get(message.delivery.seq)?.kind !== 'stored') continue;
      if (this.isOn) this.good = message;
      this.gate.storeWorks();
      return;
    }
  }

  /**
   * Asks. An outage is waited out.
   *
   * @param error what the message failed with
   * @throws `StoppedError`, `ForeignSequenceError`
   */
  async check(streamId: number, error: unknown): Promise<StoreState> {
    if (!this.isOn) return isOfTheMessage(error) ? 'works' : 'broken';
    const { good } = this;
    if (good === undefined) return 'unknown';
    try {
      await this.gate.pass(() => this.inbox.rehearse(streamId, good), this.waitsOut());
    } catch (error) {
      // Another history of the stream is no defect of the store.
      if (this.gate.isStopped(error) || error instanceof ForeignSequenceError) throw error;
      // An effect with a unique constraint of its own knows the good message: it went as far as it can go twice.
      if (!isUniqueViolation(rootOf(error))) return 'broken';
    }
    this.gate.storeWorks();
    return 'works';
  }

  /**
   * Whether repeating cannot help a message: the store refuses its value. A handler's refusals may pass, as where a row that
   * another event brings is still missing.
   */
  isRefusal(error: unknown): boolean {
    return failureOf(error) === 'refused' && (this.isOn || !(error instanceof HandlerError));
  }

  /** What is waited out where a message may be at fault, for one piece of work: outages, and others at the same rows. */
  waitsOut(): (error: unknown) => boolean {
    let contentions = 0;
    return (error) => {
      const failure = failureOf(error);
      if (failure === 'contention') return ++contentions <= CONTENTIONS_MAX;
      if (error instanceof HandlerError) return false;
      return failure === 'outage' || (!this.isOn && isUnavailable(error));
    };
  }
}

/** What a handler threw, and a value that the inbox cannot keep. */
function isOfTheMessage(error: unknown): boolean {
  return error instanceof HandlerError || classifyDatabaseError(error) === 'refused';
}
