import type { BelievedConsumer, BelievedStream, Settled, StreamFigures } from './stream-figures.js';

/** Numbers of messages on their way. */
export interface InFlight {
  readonly inFlight: number;
  readonly gone: number;
  /** `undefined` when nothing is in flight, or there is no consumer. */
  readonly consumer?: BelievedConsumer | undefined;
  readonly stream?: BelievedStream | undefined;
}

/** Figures of the database, all read at one moment. */
export interface SettledFigures {
  readonly settledByIdentity: Settled;
}

interface Gone {
  readonly incarnation: string;
  readonly consumerCreated: string;
  readonly settled: number;
  readonly count: number;
}

/**
 * Counts the messages in flight, and those that are gone: they left the stream, or were acknowledged, without being
 * settled.
 *
 *   last sequence − settled = in flight + gone
 *
 * The brokers' number of unsettled messages is never less than the number in flight, because a message is settled
 * before it is acknowledged. So at least those sequences are gone that are neither settled nor unsettled. The number is
 * exact when nothing is under way. Read in the following order, concurrent changes can only lower it:
 *
 *   the stream ─▶ its consumer ─▶ the database ─▶ the stream again
 *
 * A message that is gone stays gone, so the largest number holds. It ends when the consumer is created again or the
 * database goes back, because messages that were given up may then be delivered.
 *
 * Remembers which messages are gone.
 */
export class InFlightCount {
  private gone: Gone | undefined;

  constructor(private readonly brokers: StreamFigures) {}

  /**
   * Counts.
   *
   * @param figures read before
   * @param readAgain reads them again from the database, not from a cache
   * @returns the figures that match the count
   */
  async count<F extends SettledFigures>(
    figures: F,
    readAgain: () => Promise<F>,
  ): Promise<{ figures: F; count: InFlight }> {
    const stream = await this.brokers.stream(figures.settledByIdentity);
    if (stream === undefined) return { figures, count: { inFlight: 0, gone: 0 } };
    const behind = stream.lastSeq - settledOf(stream, figures);
    if (behind <= 0) return { figures, count: { inFlight: 0, gone: 0, stream } };
    const consumer = await this.brokers.consumer(stream);
    const known = this.knownGone(stream, consumer, settledOf(stream, figures));
    if (consumer?.unsettled === undefined || consumer.unsettled >= behind - known) {
      return { figures, count: splitOf(behind, known, { stream, consumer }) };
    }
    const later = await readAgain();
    const settled = settledOf(stream, later);
    const end = await this.brokers.stream(later.settledByIdentity);
    if (end?.incarnation !== stream.incarnation) return this.count(later, readAgain);
    const gone = Math.max(
      this.knownGone(stream, consumer, settled),
      stream.lastSeq - settled - consumer.unsettled,
    );
    this.gone = {
      incarnation: stream.incarnation,
      consumerCreated: consumer.created,
      settled,
      count: gone,
    };
    return { figures: later, count: splitOf(end.lastSeq - settled, gone, { stream: end, consumer }) };
  }

  private knownGone(stream: BelievedStream, consumer: BelievedConsumer | undefined, settled: number): number {
    const { gone } = this;
    if (gone?.incarnation !== stream.incarnation || settled < gone.settled) return 0;
    return consumer === undefined || gone.consumerCreated === consumer.created ? gone.count : 0;
  }
}

function settledOf({ identity }: BelievedStream, { settledByIdentity }: SettledFigures): number {
  return settledByIdentity.get(identity)?.settled ?? 0;
}

function splitOf(
  behind: number,
  known: number,
  { stream, consumer }: Pick<InFlight, 'stream' | 'consumer'>,
): InFlight {
  const gone = Math.min(Math.max(0, known), Math.max(0, behind));
  return { inFlight: Math.max(0, behind - gone), gone, stream, consumer };
}
