/**
 * Which messages may have ended a process.
 *
 *   came often ─▶ noted ─▶ processed with others ─any end of the work─▶ the note goes
 *                   └─────the process ends─────▶ the note is found ─▶ a suspect
 *
 * That a message was delivered often is no suspicion by itself: see batch-processor.ts.
 */
import type { AttemptCount } from './attempt-count.js';
import type { BatchInbox } from './batch-inbox.js';
import type { Delivery } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import type { Outcome } from './outcome.js';

/** See the head of this file. */
export class Suspicion {
  private readonly noted = new Set<string>();

  constructor(
    private readonly inbox: Pick<BatchInbox<never>, 'endWatch'>,
    private readonly attempts: Pick<AttemptCount, 'watch'>,
    private readonly gate: OutageGate,
  ) {}

  /** Finds the suspects, and notes the others. @throws `StoppedError` */
  async among(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>> {
    const seqs = deliveries.map(({ seq }) => seq);
    const unknown = await this.attempts.watch(streamId, seqs);
    // The store is at fault: nothing may be concluded.
    if (unknown === undefined) return new Set();
    for (const seq of unknown) this.noted.add(keyOf(streamId, seq));
    return new Set(seqs.filter((seq) => !unknown.has(seq)));
  }

  /**
   * The work on deliveries has ended, in whichever way: they are not suspects. Best effort: where the store is out of reach the
   * note stays, and costs them to be processed alone.
   *
   * @param outcomes with which notes go by themselves are left out
   */
  async ended(
    streamId: number,
    deliveries: readonly Delivery[],
    outcomes: ReadonlyMap<number, Outcome> = new Map(),
  ): Promise<void> {
    if (this.noted.size === 0) return;
    const seqs = deliveries
      .filter(({ seq }) => this.noted.delete(keyOf(streamId, seq)))
      .map(({ seq }) => seq)
      .filter((seq) => !isCommitted(outcomes.get(seq)));
    if (seqs.length > 0 && !this.gate.isOut) await this.inbox.endWatch(streamId, seqs).catch(() => undefined);
  }
}

/** What is committed has cleared all that was noted of its message. */
function isCommitted(outcome: Outcome | undefined): boolean {
  const kind = outcome?.kind;
  return kind !== undefined && kind !== 'retry' && kind !== 'postponed' && kind !== 'ignored';
}

function keyOf(streamId: number, seq: number): string {
  return `${streamId}:${seq}`;
}
