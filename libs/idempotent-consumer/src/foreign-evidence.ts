/** What a session that ended says to the next one: the stream has another history than this inbox knows. */
import { ForeignSequenceError } from './postgres/foreign-sequence.js';
import type { StreamSight } from './jetstream/durable-consumer.js';
import type { ForeignSequences, StreamHistory, StreamIncarnation } from './stream-history.js';

/** Keeps the sequences that mean other messages, until the history was asked with them. */
export class ForeignEvidence {
  private foreign: ForeignSequences | undefined;

  /** @returns whether the session has to end: the error is about the stream's history */
  note(error: unknown, { streamId }: StreamIncarnation): error is ForeignSequenceError {
    if (!(error instanceof ForeignSequenceError)) return false;
    if (error.isProof) {
      const before = this.foreign?.streamId === streamId ? this.foreign.seqs : [];
      this.foreign = { streamId, seqs: [...new Set([...before, ...error.seqs])] };
    }
    return true;
  }

  /** Asks for the incarnation, with what is known. Forgets it when there was an answer. */
  async ask(history: StreamHistory, stream: StreamSight): Promise<StreamIncarnation> {
    const { foreign } = this;
    const incarnation = await history.incarnation(stream, foreign);
    if (this.foreign === foreign) this.foreign = undefined;
    return incarnation;
  }
}
