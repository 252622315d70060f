import type { ConsumerState, StreamState } from './delivery-source.js';

/** Sequences whose rows have one stream id: greater than `after`, up to and including `upTo`. */
export interface SequenceSegment {
  readonly streamId: number;
  readonly after: number;
  readonly upTo: number;
}

/** One life of a stream. Sequences compare only within one incarnation. */
export interface StreamIncarnation {
  /** The stream id under which new deliveries are stored. */
  readonly streamId: number;
  /**
   * Ascending and without a gap, from sequence 1 on. The older segments belong to the incarnations on which
   * this one is based.
   */
  readonly segments: readonly SequenceSegment[];
}

/**
 * Sequences under which this consumer's inbox has processed other messages than the stream has. There is at
 * least one.
 */
export interface ForeignSequences {
  readonly streamId: number;
  readonly seqs: readonly number[];
}

/**
 * What a store lacks although its consumer acknowledged it. An ack follows the commit, so the store went back
 * in time: a standby that lagged was promoted, or a backup was put in its place.
 */
export interface StoreLoss {
  /** The first message without a row. Everything from it on is delivered again. */
  readonly firstSeq: number;
  /** The last sequence that was acknowledged by then. */
  readonly lastSeq: number;
  /** How many sequences from the first to the last have no row, at least: the count is bounded. */
  readonly missing: number;
  /** When the first message was published. */
  readonly publishedAt: Date;
}

/** Where a consumer must begin. */
export interface ConsumerStart {
  readonly seq: number;
  /** What the store lacks, where that is the reason. */
  readonly loss?: StoreLoss;
}

/** Which messages of a stream leave a row in the inbox. */
export interface Coverage {
  /** Whether some messages are acknowledged unread, so that they leave no row. */
  readonly leavesGaps: boolean;
  /** The subjects of the other messages, no two of which overlap; every subject when it is empty or left out. */
  readonly subjects?: readonly string[];
  /** The table of events that wait for their turn, for a consumer that keeps an order. */
  readonly parked?: string;
}

/**
 * What a program knows of the stream that a consumer reads: its incarnation, and where the consumer must
 * begin.
 *
 * Brokers that were restored, or that lost power, give the same sequences to other messages than before. An
 * implementation that keeps the publishing times of stored messages notices that by comparing them.
 *
 * The consumer asks before each session. An error ends the session, which is then tried again.
 */
export interface StreamHistory {
  /**
   * Returns the current incarnation of the stream. It registers a new one when the stream has another
   * history.
   *
   * @param foreign what the previous session ended with: a proof of another history, even if nothing else
   *   shows it
   */
  incarnation(stream: StreamState, foreign?: ForeignSequences): Promise<StreamIncarnation>;
  /**
   * Returns where the consumer must be reset to, or `undefined` when its position is right. It may be called
   * during a session as well.
   *
   * @param consumer its state, which has to be read before this call
   */
  startOf(incarnation: StreamIncarnation, consumer: ConsumerState): Promise<ConsumerStart | undefined>;
  /**
   * Notes what the store lacks, before the consumer is reset. When a process dies in between, the same loss is
   * found and noted again.
   */
  lost?(incarnation: StreamIncarnation, loss: StoreLoss): Promise<void>;
  /**
   * Notes that the consumer was reset. When a process dies before this call, the consumer is reset once more.
   */
  started(incarnation: StreamIncarnation, start: ConsumerStart): Promise<void>;
  /**
   * Calls the listener whenever the store may be another one than before, because a connection to it is new.
   *
   * @returns a function that ends it
   */
  onNewConnection?(listener: () => void): () => void;
}

/**
 * Groups the deliveries of a batch by the stream id under which they are stored. Mostly that is one group.
 */
export function byStreamId<D extends { readonly seq: number }>(
  { streamId, segments }: StreamIncarnation,
  batch: readonly D[],
): readonly (readonly [streamId: number, deliveries: readonly D[]])[] {
  const base = segments.at(-1)?.after ?? 0;
  if (base === 0 || batch.every(({ seq }) => seq > base)) return [[streamId, batch]];
  return segments.flatMap((segment) => {
    const deliveries = batch.filter(({ seq }) => seq > segment.after && seq <= segment.upTo);
    return deliveries.length > 0 ? [[segment.streamId, deliveries] as const] : [];
  });
}
