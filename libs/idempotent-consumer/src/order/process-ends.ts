import type { Lease } from './lease.js';

/**
 * Whether each message is decided alone, because processes have ended over one of them.
 *
 * The brokers forget how often they delivered a message when the next process begins in order. So the lease counts its
 * holders that ended before they had decided on anything, or while they were careful.
 */
export class ProcessEnds {
  private token: string | undefined;
  private passed = 0;

  /**
   * @param after how many holders in a row; with 0, a process is always careful
   * @param messages on how many messages a process decides carefully; the suspect is among those that were held
   */
  constructor(
    private readonly lease: Lease,
    private readonly after: number,
    private readonly messages: number,
  ) {}

  readonly isCareful = (): boolean => {
    const { current } = this.lease;
    if (current === undefined || current.ended < this.after) return false;
    if (this.token !== current.token) this.passed = 0;
    this.token = current.token;
    return this.after === 0 || this.passed < this.messages;
  };

  /** Notes that messages were decided on. */
  readonly decided = (messages: number): void => {
    this.passed += messages;
  };
}
