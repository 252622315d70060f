/**
 * Fills a database with events that were stored long ago, so that it is like a system after ten million of them.
 *
 * The rows are those that the worker would have written over the past week. There are a key per event, the event in the
 * partition of its day, counters and the horizon, all of one stream. The audit would find no fault in them. The keys are
 * in the generations that the product would have: see stored-generations.ts.
 */
import type { Pool } from 'pg';
import { ensurePartitions, indexClosedDays, rollUpHistogram } from '#store';
import { type IdForm, TOPICS } from '../environment/event-sequence.js';
import { storeGenerations } from './stored-generations.js';

const DAYS = 6;
const DAY_MS = 86_400_000;
const HISTOGRAM_ROWS_MAX = 10_000;

/** The payload of `storedEvent`, byte by byte, so that a repeat of it has the same digest. */
const PAYLOAD = `'{"number":' || seq || ',"customer":"c-' || seq % 100000 || '","cents":' || seq % 999983
      || ',"currency":"EUR","note":"' || repeat('benchmark ', 8) || '"}'`;

/**
 * $1 is the stream, $2 the first and $3 the last sequence, $4 the number of keys, $5 the topics. The first key was
 * stored at $6 and the last at $7. Both tables get their rows from the same series, so a key and its event agree to the
 * microsecond.
 */
function insertSteps(table: string, { ids = 'ordered', hasEvents = true }: StoredKeys): string {
  return `
WITH series AS MATERIALIZED (
  SELECT seq, md5(seq::text) AS random,
    $6::timestamptz + ($7::timestamptz - $6::timestamptz) * (seq::float8 / $4) AS stored_at
  FROM generate_series($2::bigint, $3::bigint) AS seq
), stored AS MATERIALIZED (
  SELECT seq, stored_at, random, ($5::text[])[1 + ('x' || substr(random, 1, 7))::bit(28)::int % cardinality($5)] AS topic,
    ${idExpression(ids)} AS event_id, ${PAYLOAD} AS payload
  FROM series
), keys AS (
  INSERT INTO ${table} (topic, event_id, stream_id, seq, digest, stored_at)
  SELECT topic, event_id, $1, seq, ('x' || encode(substr(sha256(convert_to(payload, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint,
    stored_at
  FROM stored ORDER BY seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT $1, seq, topic, event_id, 'checkout', stored_at - interval '1 second', payload::jsonb,
  stored_at - interval '10 milliseconds', stored_at
FROM stored WHERE ${hasEvents} ORDER BY seq`;
}

/** The ids are UUIDs as in a backlog (event-sequence.ts), with earlier times and other random parts. */
function idExpression(ids: IdForm): string {
  if (ids === 'random') return `md5('id' || seq::text)::uuid::text`;
  const time = `lpad(to_hex((extract(epoch FROM stored_at) * 1000)::bigint), 12, '0')`;
  return `substr(${time}, 1, 8) || '-' || substr(${time}, 9) || '-7' || substr(random, 1, 3)
      || '-8' || substr(random, 4, 3) || '-' || substr(random, 7, 12)`;
}

/** The counters, and the counts by time. */
const COUNT_TOPICS = `
WITH minute AS MATERIALIZED (
  SELECT topic, date_trunc('minute', stored_at, 'UTC') AS beginning, count(*) AS stored
  FROM sekali.event_key WHERE stream_id = $1 GROUP BY topic, beginning
), counted AS (
  INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
  SELECT $1, topic, 0, sum(stored), 0, 0, 0, 0 FROM minute GROUP BY topic
)
INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
SELECT topic, 'minute', beginning, 0, stored, 0, 0, 0 FROM minute
ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET stored = bucket.stored + excluded.stored`;

/** What a trigger has counted for the present minute when the counters were written. */
const FORGET_PRESENT = `DELETE FROM sekali.histogram WHERE kind = 'open' AND shard = 16 * ($1::integer % 2047)`;

const SET_HORIZON = `INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)`;

/** What to fill in. */
export interface StoredKeys {
  /** The stream of the events, with the number that the registry gives it. It must not have rows yet. */
  readonly streamId: number;
  /** The number of keys; their sequences are 1 to this. */
  readonly keys: number;
  readonly ids?: IdForm | undefined;
  readonly topics?: readonly string[];
  /** Whether the days of the events exist. When it is false, they were dropped by age, and the keys remain. */
  readonly hasEvents?: boolean;
  /** The size from which on a generation of keys is closed; that of the product when left out. */
  readonly generationBytes?: number;
  /** The keys of one statement; many when left out. */
  readonly keysPerStep?: number;
}

/**
 * Stores the keys and lets Postgres analyse its tables. The database must have been set up.
 *
 * @param onProgress receives what is being done
 */
export async function storeKeys(
  pool: Pool,
  stored: StoredKeys,
  onProgress: (line: string) => void = () => undefined,
): Promise<void> {
  const { streamId, keys, topics = TOPICS, generationBytes, keysPerStep } = stored;
  const now = Date.now();
  const since = new Date(now - DAYS * DAY_MS);
  await ensurePartitions(pool, since);
  await storeGenerations(pool, {
    ...{ keys, generationBytes, keysPerStep, onProgress },
    insert: (table, first, last) =>
      pool.query(insertSteps(table, stored), [streamId, first, last, keys, topics, since, new Date(now)]),
  });
  onProgress('filling the database: counting the keys');
  await pool.query(COUNT_TOPICS, [streamId]);
  await pool.query(FORGET_PRESENT, [streamId]);
  await rollUpHistogram(pool, { rowsMax: HISTOGRAM_ROWS_MAX });
  await pool.query(SET_HORIZON, [streamId, keys]);
  await indexClosedDays(pool, () => undefined);
  onProgress('filling the database: VACUUM ANALYZE');
  // Autovacuum would have done this within a week; otherwise it would begin in the middle of a measurement.
  await pool.query('VACUUM ANALYZE');
}
