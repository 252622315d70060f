import type { Queryable } from '#postgres';
import type { KnownHistory, StreamWitness } from './history-comparison.js';

/**
 * If there are more rows, the rest is read again as duplicates. That loses nothing, and bounds the wait for
 * the brokers.
 */
const COMPARED_MAX = 100_000;
/** How many rows may remain for the time while locks are held. */
const LEFT_MAX = 500;
const ROUNDS_MAX = 5;

interface Row {
  readonly seq: number;
  readonly topic: string;
  readonly event_id: string;
  readonly published_ms: number;
}

function rowsOf(tables: readonly string[]): string {
  const rowsOfTable = (table: string): string => `
  SELECT seq, topic, event_id, published_at FROM ${table}
  WHERE stream_id = requested.stream_id AND seq > requested.after AND seq <= requested.up_to`;
  return `
SELECT row.seq::float8 AS seq, topic, coalesce(event_id, '') AS event_id,
  extract(epoch FROM published_at)::float8 * 1000 AS published_ms
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS requested (stream_id, after, up_to)
CROSS JOIN LATERAL (${tables.map(rowsOfTable).join('\n  UNION ALL')}
) row
ORDER BY row.seq LIMIT $4`;
}

/**
 * Finds rows behind the end of the common history whose messages the stream has nevertheless. It compares
 * each row once.
 *
 *   sequence   1 … 40 │ 41   42   43   44          the common history ends at 40
 *   rows       same   │ a    b    x    d
 *   stream     same   │ a    b    c    d           41, 42 and 44 agree
 *
 * Two histories do not always part at one place. While a stale replica still serves the consumer, the ledger
 * gets rows of both histories. Halving may then find an end below thousands of good rows. If they kept the
 * old stream id, each would be counted once more, as a duplicate of itself.
 */
export class AgreeingRows {
  private readonly compared = new Set<number>();
  private readonly agreeing: Row[] = [];

  constructor(
    private readonly known: KnownHistory,
    private readonly witness: StreamWitness,
    private readonly commonSeq: number,
  ) {}

  /**
   * Compares until few rows are left, which other workers may be writing. @throws the error of the database
   * or the brokers
   */
  async compareMost(database: Queryable): Promise<void> {
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++)
      if ((await this.compare(database)) <= LEFT_MAX) return;
  }

  /** Compares the rows that were not compared yet. @returns how many there were */
  async compare(database: Queryable): Promise<number> {
    const { lastSeq } = await this.witness.bounds();
    const places = this.known.incarnation.segments
      .map(({ streamId, after, upTo }) => ({
        streamId,
        after: Math.max(after, this.commonSeq),
        upTo: Math.min(upTo, lastSeq),
      }))
      .filter(({ after, upTo }) => after < upTo);
    if (places.length === 0) return 0;
    const { rows } = await database.query<Row>(rowsOf(this.known.tables), [
      places.map(({ streamId }) => streamId),
      places.map(({ after }) => after),
      places.map(({ upTo }) => upTo),
      COMPARED_MAX,
    ]);
    const left = rows.filter(({ seq }) => !this.compared.has(seq));
    const published = await this.witness.publishedAt(left.map(({ seq }) => seq));
    for (const row of left) {
      this.compared.add(row.seq);
      if (published.get(row.seq) === Math.round(row.published_ms)) this.agreeing.push(row);
    }
    return left.length;
  }

  /**
   * Returns the rows that agree, as three columns: sequences, topics, and event ids (empty for a dead letter
   * without one).
   */
  columns(): [seqs: number[], topics: string[], eventIds: string[]] {
    return [
      this.agreeing.map(({ seq }) => seq),
      this.agreeing.map(({ topic }) => topic),
      this.agreeing.map(({ event_id: eventId }) => eventId),
    ];
  }
}
