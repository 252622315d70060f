/** Which deliveries of a batch are processed alone: those that came often, and over which a process may have ended. */
import type { Decider } from './decider.js';
import type { Delivery } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';

/** What the question needs. */
interface IsolationParts {
  readonly processor: Pick<Decider, 'suspectsAmong'>;
  readonly gate: OutageGate;
  readonly observe: Observer;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * Asked right before the work on a batch begins, since what is no suspect is noted for a process that ends over it.
 *
 * @param after how many deliveries a message may be one; 0 for every message, without a question
 * @returns the sequences of the suspects, or `undefined` where there is no answer: then the batch is handed back
 */
export async function suspectsOf(
  { processor, gate, observe }: IsolationParts,
  after: number,
  streamId: number,
  batch: readonly Delivery[],
): Promise<ReadonlySet<number> | undefined> {
  if (after === 0) return new Set(batch.map(({ seq }) => seq));
  // Noted one delivery before, so that it can be found then.
  const often = batch.filter(({ deliveryCount }) => deliveryCount >= Math.max(after, 2));
  if (often.length === 0) return NONE;
  try {
    const found = await processor.suspectsAmong(streamId, often);
    const suspects = often.filter(({ seq, deliveryCount }) => found.has(seq) && deliveryCount > after);
    return new Set(suspects.map(({ seq }) => seq));
  } catch (error) {
    if (!gate.isStopped(error)) observe({ type: 'batch-failed', size: batch.length, error });
    return undefined;
  }
}
