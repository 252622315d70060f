/**
 * The attempts of messages that are processed alone, as the database counts them for all workers.
 *
 * The statements are the inbox's own: what they meet is an outage or a defect of the store, and waited for.
 */
import type { BatchInbox } from './batch-inbox.js';
import type { OutageGate } from './outage-gate.js';

/** See the head of this file. Each method gives `undefined` when the store does not take it: nothing may be concluded then. */
export class AttemptCount {
  constructor(
    private readonly inbox: Pick<
      BatchInbox<never>,
      'startAttempt' | 'failAttempt' | 'withdrawAttempt' | 'watch'
    >,
    private readonly gate: OutageGate,
  ) {}

  /** @returns attempts begun, and those of them that ended */
  start(streamId: number, seq: number): Promise<{ started: number; finished: number } | undefined> {
    return this.count(() => this.inbox.startAttempt(streamId, seq));
  }

  /** @returns how many have failed without ending the process */
  fail(streamId: number, seq: number, error: string): Promise<number | undefined> {
    return this.count(() => this.inbox.failAttempt(streamId, seq, error));
  }

  /** Takes back the start of one that says nothing about its message. */
  async withdraw(streamId: number, seq: number): Promise<void> {
    await this.count(() => this.inbox.withdrawAttempt(streamId, seq));
  }

  /** Notes that messages are processed in company. @returns those of which nothing was noted before */
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
