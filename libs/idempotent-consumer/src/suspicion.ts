import type { AttemptCount } from './attempt-count.js';
import type { BatchInbox } from './batch-inbox.js';
import type { Delivery } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import type { Outcome } from './outcome.js';

/**
 * Finds messages that may have ended a process.
 *
 *   delivered often ─▶ noted ─▶ processed in a batch ─the work ends in any way─▶ the note is removed
 *                        └──────the process ends───────▶ the note is found ─▶ a suspect
 *
 * Many deliveries alone do not make a message a suspect: see `BatchProcessor`.
 */
export class Suspicion {
  private readonly noted = new Set<string>();

  constructor(
    private readonly inbox: Pick<BatchInbox<never>, 'endWatch'>,
    private readonly attempts: Pick<AttemptCount, 'watch'>,
    private readonly gate: OutageGate,
  ) {}

  /**
   * Finds the suspects, and notes the other messages.
   *
   * @returns the sequences of the suspects
   * @throws `StoppedError`
   */
  async among(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>> {
    const seqs = deliveries.map(({ seq }) => seq);
    const unknown = await this.attempts.watch(streamId, seqs);
    // The store is at fault, so nothing can be concluded.
    if (unknown === undefined) return new Set();
    for (const seq of unknown) this.noted.add(keyOf(streamId, seq));
    return new Set(seqs.filter((seq) => !unknown.has(seq)));
  }

  /**
   * Removes the notes of deliveries, because the work on them has ended in some way. They are not suspects.
   *
   * This is best effort. While the store is out of reach the note stays, and the message will be processed
   * alone.
   *
   * @param outcomes committed outcomes, which have removed the notes already
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

/** A committed outcome has removed all notes of its message. */
function isCommitted(outcome: Outcome | undefined): boolean {
  const kind = outcome?.kind;
  return kind !== undefined && kind !== 'retry' && kind !== 'postponed' && kind !== 'ignored';
}

function keyOf(streamId: number, seq: number): string {
  return `${streamId}:${seq}`;
}
