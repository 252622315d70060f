/** What a session that ended says to the next one: the stream has another history than this inbox knows. */
import { ForeignSequenceError } from './postgres/foreign-sequence.js';
import type { StreamSight } from './jetstream/durable-consumer.js';
import type { ForeignSequence, StreamHistory, StreamIncarnation } from './stream-history.js';

/** Keeps the lowest sequence that means another message, until the history was asked with it. */
export class ForeignEvidence {
  private foreign: ForeignSequence | undefined;

  /** @returns whether the session has to end: the error is about the stream's history */
  note(error: unknown, { streamId }: StreamIncarnation): error is ForeignSequenceError {
    if (!(error instanceof ForeignSequenceError)) return false;
    if (error.isProof) {
      const before = this.foreign?.streamId === streamId ? this.foreign.seq : Infinity;
      this.foreign = { streamId, seq: Math.min(...error.seqs, before) };
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
