import { classifyDatabaseError, isUnavailable, isUniqueViolation } from '#postgres';
import type { BatchInbox } from './batch-inbox.js';
import type { Message } from './delivery.js';
import { failureOf, HandlerError, rootOf } from './handler-error.js';
import type { OutageGate } from './outage-gate.js';
import type { Outcome } from './outcome.js';

/** Whether the store accepts a good message: it does, it does not, or no good message is known yet. */
export type StoreState = 'works' | 'broken' | 'unknown';

/**
 * Lock conflicts with other transactions rarely last for this many tries. Then the cause lies in this work.
 */
const CONTENTIONS_MAX = 250;

/**
 * Distinguishes a defect of the store from the fault of a message.
 *
 * Mostly the origin of the error decides. A handler's error is the fault of its message. An error of the
 * inbox is not, except for a value that it cannot store.
 *
 * A program whose handler only stores may set `probesStore`. There, an error that hits every message alike is
 * a defect of the store. The last message that the store accepted is known to be good. `Inbox.rehearse`
 * processes it once more, under an id and sequences that do not exist, in a transaction that is always rolled
 * back. If that fails too, no other message is to blame. The good message is kept in memory, so a process
 * that has not stored anything yet has none.
 */
export class StoreProbe<E> {
  private good: Message<E> | undefined;

  constructor(
    private readonly inbox: Pick<BatchInbox<E>, 'rehearse'>,
    private readonly gate: OutageGate,
    /** Whether a handler's error may be a defect of the store. */
    private readonly isOn: boolean,
  ) {}

  /** Learns a good message from a committed batch. */
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
   * Checks the store. It waits out an outage.
   *
   * @param error what the message failed with
   * @throws `StoppedError`
   */
  async check(streamId: number, error: unknown): Promise<StoreState> {
    if (!this.isOn) return isOfTheMessage(error) ? 'works' : 'broken';
    const { good } = this;
    if (good === undefined) return 'unknown';
    try {
      await this.gate.pass(() => this.inbox.rehearse(streamId, good), this.waitsOut());
    } catch (error) {
      if (this.gate.isStopped(error)) throw error;
      // An effect may have a unique constraint of its own, which knows the good message. Nothing else failed
      // before that.
      if (!isUniqueViolation(rootOf(error))) return 'broken';
    }
    this.gate.storeWorks();
    return 'works';
  }

  /**
   * Whether a retry cannot help, because the store refuses the value of a message. A handler's refusal may
   * pass, for example when a row of another event is still missing.
   */
  isRefusal(error: unknown): boolean {
    return failureOf(error) === 'refused' && (this.isOn || !(error instanceof HandlerError));
  }

  /**
   * Returns which errors are waited out during one piece of work where a message may be at fault: outages and
   * lock conflicts.
   */
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

/** Whether a message is to blame: a handler threw the error, or the inbox cannot store the value. */
function isOfTheMessage(error: unknown): boolean {
  return error instanceof HandlerError || classifyDatabaseError(error) === 'refused';
}
