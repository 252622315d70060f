/**
 * What a program knows of the stream that a consumer reads: which incarnation it is, and where the consumer has to be.
 *
 * Sequences compare only within one incarnation. Brokers that were restored, or that lost power, give sequences to other
 * messages than before; whoever keeps what was stored under them finds out by comparing the messages.
 */
import type { ConsumerSight, StreamSight } from './jetstream/durable-consumer.js';

/** Sequences that are stored under one number: those behind `after`, up to `upTo`. */
export interface SequenceSegment {
  readonly streamId: number;
  readonly after: number;
  readonly upTo: number;
}

/** One incarnation of a stream. */
export interface StreamIncarnation {
  /** The number of what is delivered from now on. */
  readonly streamId: number;
  /** Ascending, without a gap, from sequence 1 on: the older ones are of the incarnations that this one is based on. */
  readonly segments: readonly SequenceSegment[];
}

/** Sequences under which this consumer's inbox has settled other messages than the stream has. At least one. */
export interface ForeignSequences {
  readonly streamId: number;
  readonly seqs: readonly number[];
}

/** Which messages of a stream leave a row in the inbox. */
export interface Coverage {
  /** Whether some are acknowledged unread, and leave none. */
  readonly leavesGaps: boolean;
}

/** Asked before each session. What it throws ends the session, which is then tried again. */
export interface StreamHistory {
  /**
   * The incarnation of the stream as it is; registers a new one when the stream has another history.
   *
   * @param foreign what the session before ended with: a proof of that, also where nothing else shows it
   */
  incarnation(stream: StreamSight, foreign?: ForeignSequences): Promise<StreamIncarnation>;
  /** The sequence to which the consumer has to be put back; `undefined` when it stands right. */
  startOf(incarnation: StreamIncarnation, consumer: ConsumerSight): Promise<number | undefined>;
  /** Hears that the consumer was put back. A process that dies before leaves it to be put back once more. */
  started(incarnation: StreamIncarnation, seq: number): Promise<void>;
}

/** The deliveries of a batch by the number under which they are stored; mostly all have that of the incarnation. */
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
