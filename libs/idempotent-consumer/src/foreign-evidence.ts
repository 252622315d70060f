import { ForeignSequenceError } from './postgres/foreign-sequence.js';
import type { StreamState } from './delivery-source.js';
import type { ForeignSequences, StreamHistory, StreamIncarnation } from './stream-history.js';

/**
 * Evidence that one session leaves for the next one: the stream has another history than this inbox knows. It
 * keeps the sequences that mean other messages, until the stream history has been asked with them.
 */
export class ForeignEvidence {
  private foreign: ForeignSequences | undefined;

  /**
   * Takes an error of a batch. @returns whether the session must end, because the error is about the stream's
   * history
   */
  note(error: unknown, { streamId }: StreamIncarnation): error is ForeignSequenceError {
    if (!(error instanceof ForeignSequenceError)) return false;
    if (error.isProof) {
      const before = this.foreign?.streamId === streamId ? this.foreign.seqs : [];
      this.foreign = { streamId, seqs: [...new Set([...before, ...error.seqs])] };
    }
    return true;
  }

  /** Asks for the incarnation with the evidence, and forgets the evidence after an answer. */
  async ask(history: StreamHistory, stream: StreamState): Promise<StreamIncarnation> {
    const { foreign } = this;
    const incarnation = await history.incarnation(stream, foreign);
    if (this.foreign === foreign) this.foreign = undefined;
    return incarnation;
  }
}
