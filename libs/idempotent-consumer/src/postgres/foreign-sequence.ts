import type { QueryResult } from 'pg';
import type { Delivery } from '../delivery.js';

interface Sequenced {
  readonly delivery: Pick<Delivery, 'seq'>;
}

/** The messages that an inbox decides on together. */
interface SequencedBatch {
  readonly messages: readonly Sequenced[];
  readonly poison: readonly Sequenced[];
}

/** A sequence means another message in the inbox than in the stream. It belongs to another incarnation. */
export class ForeignSequenceError extends Error {
  override readonly name = 'ForeignSequenceError';
  /**
   * @param seqs at least one sequence
   * @param reason left out if another message was processed under each sequence, which proves that the
   *   histories differ
   */
  constructor(
    readonly seqs: readonly number[],
    private readonly reason?: string,
  ) {
    super(
      `sequences ${seqs.slice(0, 5).join(', ')} are ${reason ?? 'known as other messages'}: another incarnation of the stream`,
    );
  }

  /** Whether it proves that the stream has another history than this inbox knows. */
  get isProof(): boolean {
    return this.reason === undefined;
  }
}

/**
 * Refuses a batch beyond the end of a superseded incarnation. Its rows may be added only below the start of
 * the next one.
 *
 * @param answer the answer to the last statement of `begin`
 * @throws ForeignSequenceError when the batch has a sequence behind that end
 */
export function refuseSuperseded(answer: QueryResult | undefined, batch: SequencedBatch): void {
  const superseded = (answer?.rows as { base_seq: number }[] | undefined)?.[0];
  if (superseded === undefined) return;
  const seqs = [...batch.messages, ...batch.poison].map(({ delivery }) => delivery.seq);
  const behind = seqs.filter((seq) => seq > superseded.base_seq);
  if (behind.length > 0) throw new ForeignSequenceError(behind, 'of a superseded incarnation');
}
