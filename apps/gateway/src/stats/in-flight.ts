import type { BelievedConsumer, BelievedStream, Settled, StreamFigures } from './stream-figures.js';

/** Messages on their way, in numbers. */
export interface InFlight {
  readonly inFlight: number;
  readonly gone: number;
  /** `undefined` when there is nothing in flight, or no consumer. */
  readonly consumer?: BelievedConsumer | undefined;
  readonly stream?: BelievedStream | undefined;
}

/** Figures of the database, read at one moment. */
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
 * How many messages are in flight, and how many are gone: left the stream, or were acknowledged, without being settled.
 *
 *   last sequence − settled = in flight + gone
 *
 * What the brokers call unsettled is never less than what is in flight, since a message is acknowledged after it was
 * settled. So of the sequences that a stream had, as many are gone as are neither settled nor unsettled, at least; and
 * exactly as many when nothing is under way. Asked in this order, what moves in between can only make it fewer:
 *
 *   the stream ─▶ its consumer ─▶ the database ─▶ the stream again
 *
 * What is gone stays gone, so the largest number that was seen holds, until the consumer is made again or the database
 * goes back: then messages may be delivered that were given up.
 *
 * Remembers what is gone.
 */
export class InFlightCount {
  private gone: Gone | undefined;

  constructor(private readonly brokers: StreamFigures) {}

  /**
   * Counts.
   *
   * @param figures read before
   * @param readAgain reads them again, from the database and not from anything kept
   * @returns the figures that go with the count
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
