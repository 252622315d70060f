import { compareHistory, type HistoryComparison, type StreamWitness } from '#idempotent-consumer/postgres';
import { type ConsumerInfo, streamIdentity, type StreamInfo } from '#broker';
import { type Queryable, SEKALI_LEDGER } from '#store';

/** The result of the comparison, in words. */
export interface HistoryState {
  /** What is wrong; left out when nothing is. */
  readonly fault?: string;
  /** A past event that is not a fault any more. */
  readonly note?: string;
}

const COMPARED_FOR_MS = 5_000;

/**
 * Checks that the stream has the history that the database knows, and that its consumer stands within it.
 *
 * Workers and setup repair what is found here; until then it is reported. The comparison reads some messages, and every
 * client may ask for the health. So it runs from time to time, and all requests in between get the last result.
 */
export class HistoryCheck {
  private compared: { readonly atMs: number; readonly state: Promise<HistoryState> } | undefined;
  /** Since when the stream has ended before the ledger. A lagging broker shows that for a moment. */
  private shortSinceMs: number | undefined;

  constructor(
    private readonly database: Queryable,
    private readonly witness: () => StreamWitness,
  ) {}

  /** Throws when the brokers or the database do not answer. */
  async state(stream: StreamInfo): Promise<HistoryState> {
    const nowMs = performance.now();
    if (this.compared === undefined || nowMs - this.compared.atMs >= COMPARED_FOR_MS) {
      const compared = { atMs: nowMs, state: this.compare(stream) };
      this.compared = compared;
      compared.state.catch(() => {
        if (this.compared === compared) this.compared = undefined;
      });
    }
    return this.compared.state;
  }

  private async compare(stream: StreamInfo): Promise<HistoryState> {
    const { name } = stream.config;
    const { registry, datedTables: tables } = SEKALI_LEDGER;
    const incarnation = await registry.find(this.database, { name, identity: streamIdentity(stream) });
    if (incarnation === undefined) return {};
    const found = await compareHistory(this.database, { tables, incarnation }, this.witness());
    const fault = this.faultOf(name, found);
    const base = incarnation.segments.at(-1)?.after ?? 0;
    const note = `it lost messages behind sequence ${base} that the database has, and continues as incarnation ${incarnation.revision}`;
    return {
      ...(fault !== undefined && { fault }),
      ...(incarnation.revision > 1 && { note }),
    };
  }

  private faultOf(name: string, found: HistoryComparison): string | undefined {
    const isShort = !found.agrees && found.differsAt === undefined;
    if (!isShort) this.shortSinceMs = undefined;
    if (found.agrees) return undefined;
    const until = 'a worker or setup registers a new incarnation, and reads again what follows';
    if (found.differsAt !== undefined)
      return `${name} has another message under sequence ${found.differsAt} than the database: ${until}`;
    const nowMs = performance.now();
    this.shortSinceMs ??= nowMs;
    if (nowMs - this.shortSinceMs < COMPARED_FOR_MS) return undefined;
    return `${name} ends at ${found.lastSeq}, but the database has its sequence ${found.knownSeq}: ${until}`;
  }
}

/** What is wrong with the position of a consumer. The stream's state must be newer than the consumer's. */
export function positionFault(consumer: ConsumerInfo, stream: StreamInfo): string | undefined {
  const position = Math.max(consumer.delivered.stream_seq, consumer.ack_floor.stream_seq);
  if (position <= stream.state.last_seq) return undefined;
  return (
    `it is at sequence ${position}, ahead of the stream, which ends at ${stream.state.last_seq}: ` +
    'a worker or setup moves it back'
  );
}
