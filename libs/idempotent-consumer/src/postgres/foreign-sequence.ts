/** Sequences that mean another message than the one that is stored under them. */
import type { QueryResult } from 'pg';
import type { Delivery } from '../delivery.js';

interface Sequenced {
  readonly delivery: Pick<Delivery, 'seq'>;
}

/** What is decided on together. */
interface SequencedBatch {
  readonly messages: readonly Sequenced[];
  readonly poison: readonly Sequenced[];
}

/** A sequence means another message here than in the stream: it belongs to another incarnation. */
export class ForeignSequenceError extends Error {
  override readonly name = 'ForeignSequenceError';
  /**
   * @param seqs at least one
   * @param reason left out: another message was settled under each of them, which proves that the histories differ
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
 * Rows of a superseded incarnation may be added only below where the next one begins.
 *
 * @param answer what the last statement of `begin` gave
 * @throws ForeignSequenceError when a batch goes beyond that
 */
export function refuseSuperseded(answer: QueryResult | undefined, batch: SequencedBatch): void {
  const superseded = (answer?.rows as { base_seq: number }[] | undefined)?.[0];
  if (superseded === undefined) return;
  const seqs = [...batch.messages, ...batch.poison].map(({ delivery }) => delivery.seq);
  const behind = seqs.filter((seq) => seq > superseded.base_seq);
  if (behind.length > 0) throw new ForeignSequenceError(behind, 'of a superseded incarnation');
}
