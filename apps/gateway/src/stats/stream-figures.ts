import { type ConsumerInfo, hasMajority, streamIdentity, type StreamInfo } from '#broker';
import type { SettledStream } from '#store';
import { pause } from '#waiting';
import type { BrokerLink } from '../broker-link.js';
import { GrowingFigure } from './growing-figure.js';

/** The queries that this needs. */
export type StreamQuestions = Pick<BrokerLink, 'stream' | 'consumer' | 'publishedAt' | 'acknowledged'>;

/** The parts of the stream that the figures need. */
export interface BelievedStream {
  readonly identity: string;
  /** Identifies the incarnation. A stream that lost messages keeps its identity. */
  readonly incarnation: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Number of deleted messages between the first and the last. */
  readonly deleted: number;
  /** Age at which messages leave, in seconds; 0 when they do not. */
  readonly ageSecondsMax: number;
}

/** The parts of the consumer that the figures need. */
export interface BelievedConsumer {
  readonly created: string;
  readonly ackFloor: number;
  /** Messages that are not acknowledged, delivered or not; `undefined` where the answer cannot be right. */
  readonly unsettled: number | undefined;
}

/** The brokers answer, but with an older state than is known. */
export class StaleAnswerError extends Error {
  override readonly name = 'StaleAnswerError';
}

/** The newest incarnation of each stream identity in the database. */
export type Settled = ReadonlyMap<string, SettledStream>;

const BELIEVED_MS_MAX = 2_000;
const AGAIN_MS = 100;
const NANOSECONDS = 1_000_000_000;

/**
 * The brokers' state of the stream and its consumer, as far as it can be trusted.
 *
 * A broker that was cut off, or has just taken over, may answer with an older state than it has acknowledged. The end
 * of a stream only grows. So the query is repeated while the answer ends below the largest known sequence:
 *
 *   the largest PubAck of this gateway · the earlier answers to this gateway · the highest sequence of the database
 *
 * It is also repeated while the broker has not heard from a majority of the others for a while.
 */
export class StreamFigures {
  private seen: { readonly incarnation: string; readonly lastSeq: GrowingFigure } | undefined;

  constructor(private readonly broker: StreamQuestions) {}

  /**
   * The stream as it is; `undefined` when there is none, and none is known.
   *
   * @throws StaleAnswerError when no answer can be trusted in time; the brokers' error when they do not answer
   */
  async stream(settled: Settled): Promise<BelievedStream | undefined> {
    const deadline = Date.now() + BELIEVED_MS_MAX;
    for (;;) {
      const info = await this.broker.stream();
      const doubt = this.doubt(info, settled);
      if (doubt === undefined) return info && this.noted(info, settled);
      if (Date.now() > deadline)
        throw new StaleAnswerError(`A broker answers with an older state: ${doubt}.`);
      await pause(AGAIN_MS);
    }
  }

  /**
   * The consumer as it is; `undefined` when there is none.
   *
   * @param stream its earlier state, all of which the consumer must know
   * @throws the brokers' error when they do not answer
   */
  async consumer(stream: BelievedStream): Promise<BelievedConsumer | undefined> {
    const deadline = Date.now() + BELIEVED_MS_MAX;
    for (;;) {
      const info = await this.broker.consumer();
      if (info === undefined) return undefined;
      const isRight = knowsAllOf(info, stream);
      if (isRight || Date.now() > deadline) return consumerOf(info, isRight);
      await pause(AGAIN_MS);
    }
  }

  /** Age in seconds of the oldest message that is not acknowledged; 0 when there is none. */
  async oldestSeconds(consumer: BelievedConsumer | undefined): Promise<number> {
    const publishedAt = await this.broker.publishedAt((consumer?.ackFloor ?? 0) + 1);
    return publishedAt === undefined ? 0 : Math.max(0, Date.now() - publishedAt.getTime()) / 1_000;
  }

  private doubt(info: StreamInfo | undefined, settled: Settled): string | undefined {
    if (info === undefined) {
      const known = Math.max(this.acknowledgedSince(0), ...[...settled.values()].map((one) => one.lastSeq));
      return known > 0 ? `it says that there is no stream, of which sequence ${known} is known` : undefined;
    }
    const newest = settled.get(streamIdentity(info));
    const beganMs = Math.max(Date.parse(info.created), newest?.registeredMs ?? 0);
    const known = Math.max(
      this.acknowledgedSince(beganMs),
      this.seen?.incarnation === incarnationOf(info, settled) ? this.seen.lastSeq.least() : 0,
      newest?.lastSeq ?? 0,
    );
    if (info.state.last_seq < known) {
      return `its stream ends at ${info.state.last_seq}, and sequence ${known} is known`;
    }
    return hasMajority(info) ? undefined : 'it has not heard of a majority of the others for a while';
  }

  /** A PubAck does not name the incarnation of its sequence. One from before the incarnation began does not count. */
  private acknowledgedSince(beganMs: number): number {
    const { acknowledged } = this.broker;
    return acknowledged.notedAt.getTime() < beganMs ? 0 : acknowledged.least();
  }

  private noted(info: StreamInfo, settled: Settled): BelievedStream {
    const { state, config } = info;
    const incarnation = incarnationOf(info, settled);
    if (this.seen?.incarnation !== incarnation) this.seen = { incarnation, lastSeq: new GrowingFigure() };
    this.seen.lastSeq.note(state.last_seq);
    return {
      identity: streamIdentity(info),
      incarnation,
      firstSeq: state.first_seq,
      lastSeq: state.last_seq,
      // The client's type requires it, but the server omits it when there is none.
      deleted: state.num_deleted || 0,
      ageSecondsMax: config.max_age / NANOSECONDS,
    };
  }
}

function incarnationOf(info: StreamInfo, settled: Settled): string {
  const identity = streamIdentity(info);
  return `${identity} ${settled.get(identity)?.streamId ?? 0}`;
}

/** A message that was neither delivered nor deleted must be pending. */
function knowsAllOf(info: ConsumerInfo, { firstSeq, lastSeq, deleted }: BelievedStream): boolean {
  return info.num_pending >= lastSeq - Math.max(info.delivered.stream_seq, firstSeq - 1) - deleted;
}

function consumerOf(info: ConsumerInfo, isRight: boolean): BelievedConsumer {
  return {
    created: info.created,
    ackFloor: info.ack_floor.stream_seq,
    unsettled: isRight ? info.num_pending + info.num_ack_pending : undefined,
  };
}
