import type { Decider } from './decider.js';
import type { Delivery } from './delivery.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';

/** What `suspectsOf` works with. */
interface IsolationParts {
  readonly processor: Pick<Decider, 'suspectsAmong'>;
  readonly gate: OutageGate;
  readonly observe: Observer;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * Finds the deliveries of a batch that must be processed alone: they were delivered often, and a process may
 * have ended over them. It is called right before the work on the batch begins, because it notes the other
 * messages for the same purpose.
 *
 * @param after how many deliveries make a message a candidate; with 0, every message is a suspect
 * @returns the sequences of the suspects, or `undefined` without an answer; then the batch is handed back
 */
export async function suspectsOf(
  { processor, gate, observe }: IsolationParts,
  after: number,
  streamId: number,
  batch: readonly Delivery[],
): Promise<ReadonlySet<number> | undefined> {
  if (after === 0) return new Set(batch.map(({ seq }) => seq));
  // A message is noted one delivery earlier, so that the note can be found.
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
