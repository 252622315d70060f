/**
 * Rows behind the end of the common history that the stream has nevertheless.
 *
 *   sequence   1 … 40 │ 41   42   43   44          the common history ends at 40
 *   rows       same   │ a    b    x    d
 *   stream     same   │ a    b    c    d           41, 42 and 44 agree
 *
 * Two histories do not always part at one place. While a replica that stayed behind still serves the consumer, the ledger
 * gets rows of both. Halving then finds an end below thousands of good rows. Left under the old number, each of them would
 * be counted once more, as a duplicate of itself.
 */
import type { StreamWitness } from './history-comparison.js';
import type { Queryable } from './queryable.js';
import type { Incarnation } from './stream-registry.js';

/** Of more, the rest is read again as duplicates: nothing is lost by that, and the wait for the brokers stays bounded. */
const COMPARED_MAX = 100_000;
/** Rows that may be left for the time when the locks are held. */
const LEFT_MAX = 500;
const ROUNDS_MAX = 5;

interface Row {
  readonly seq: number;
  readonly topic: string;
  readonly event_id: string;
  readonly published_ms: number;
}

const ROWS = `
SELECT row.seq::float8 AS seq, topic, coalesce(event_id, '') AS event_id,
  extract(epoch FROM published_at)::float8 * 1000 AS published_ms
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS wanted (stream_id, after, up_to)
CROSS JOIN LATERAL (
  SELECT seq, topic, event_id, published_at FROM sekali.event
  WHERE stream_id = wanted.stream_id AND seq > wanted.after AND seq <= wanted.up_to
  UNION ALL SELECT seq, topic, event_id, published_at FROM sekali.duplicate
  WHERE stream_id = wanted.stream_id AND seq > wanted.after AND seq <= wanted.up_to
  UNION ALL SELECT seq, topic, event_id, published_at FROM sekali.dead_letter
  WHERE stream_id = wanted.stream_id AND seq > wanted.after AND seq <= wanted.up_to
) row
ORDER BY row.seq LIMIT $4`;

/** Compares what the ledger has of one incarnation behind a sequence, each row once. */
export class AgreeingRows {
  private readonly compared = new Set<number>();
  private readonly agreeing: Row[] = [];

  constructor(
    private readonly incarnation: Incarnation,
    private readonly witness: StreamWitness,
    private readonly commonSeq: number,
  ) {}

  /** Compares until few rows are left, which others may be writing. @throws what the database or the brokers say */
  async compareMost(database: Queryable): Promise<void> {
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++)
      if ((await this.compare(database)) <= LEFT_MAX) return;
  }

  /** Compares those that were not compared yet. @returns how many these were */
  async compare(database: Queryable): Promise<number> {
    const { lastSeq } = await this.witness.bounds();
    const places = this.incarnation.segments
      .map(({ streamId, after, upTo }) => ({
        streamId,
        after: Math.max(after, this.commonSeq),
        upTo: Math.min(upTo, lastSeq),
      }))
      .filter(({ after, upTo }) => after < upTo);
    if (places.length === 0) return 0;
    const { rows } = await database.query<Row>(ROWS, [
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

  /** The rows that agree, as three columns: sequences, topics, ids of events (empty where a dead letter has none). */
  columns(): [seqs: number[], topics: string[], eventIds: string[]] {
    return [
      this.agreeing.map(({ seq }) => seq),
      this.agreeing.map(({ topic }) => topic),
      this.agreeing.map(({ event_id: eventId }) => eventId),
    ];
  }
}
