import type { BatchInbox } from './batch-inbox.js';
import type { OutageGate } from './outage-gate.js';

/**
 * The attempts of messages that are processed alone, as the database counts them for all workers.
 *
 * The statements are the inbox's own, so their errors are outages or defects of the store, and are waited
 * for. A method returns `undefined` when the store refuses its statement; the caller can then conclude
 * nothing.
 */
export class AttemptCount {
  constructor(
    private readonly inbox: Pick<
      BatchInbox<never>,
      'startAttempt' | 'failAttempt' | 'withdrawAttempt' | 'watch'
    >,
    private readonly gate: OutageGate,
  ) {}

  /** Counts the start of an attempt. @returns how many attempts began, and how many of them ended */
  start(streamId: number, seq: number): Promise<{ started: number; finished: number } | undefined> {
    return this.count(() => this.inbox.startAttempt(streamId, seq));
  }

  /** Counts a failed attempt. @returns how many attempts have failed without ending the process */
  fail(streamId: number, seq: number, error: string): Promise<number | undefined> {
    return this.count(() => this.inbox.failAttempt(streamId, seq, error));
  }

  /** Withdraws the start of an attempt that says nothing about its message. */
  async withdraw(streamId: number, seq: number): Promise<void> {
    await this.count(() => this.inbox.withdrawAttempt(streamId, seq));
  }

  /** Notes that messages are processed together with others. @returns those that were not noted before */
  watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number> | undefined> {
    return this.count(() => this.inbox.watch(streamId, seqs));
  }

  private async count<T>(statement: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.gate.pass(statement);
    } catch (error) {
      if (this.gate.isStopped(error)) throw error;
      await this.gate.waitForStore(error, 0);
      return undefined;
    }
  }
}

/** Says why a message is given up over which the process ended too often. */
export function processEndedDetail(attempts: number): string {
  return `the process ended during ${attempts} attempts at this message`;
}
