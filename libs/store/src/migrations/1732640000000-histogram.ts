/**
 * Counts of each topic by the minute in which its messages were settled: see histogram.ts.
 *
 * A trigger derives them from the counters. So programs of the previous version, which know nothing of them, are counted
 * as well. The lock on the counters waits for the batches that have counted, and holds the others off while the counts
 * so far are copied. They have no minute, and are kept as `before`.
 *
 * A row of an open minute belongs to one counter: its shard has the stream id in it. A batch that has the counter never
 * waits for the row. With rows that streams share, two batches could wait for each other, since the rows that a batch
 * adds and those that it changes are counted by two triggers.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const TABLE = `
CREATE TABLE sekali.histogram (
  topic text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CONSTRAINT histogram_kind CHECK (kind IN ('before', 'open', 'minute', 'hour', 'day')),
  beginning timestamptz NOT NULL,
  shard smallint NOT NULL,
  stored bigint NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  CONSTRAINT histogram_bucket PRIMARY KEY (topic, kind, beginning, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE sekali.histogram IS 'Counts by topic and time of settling; summed over all rows of a topic they equal its counters';
COMMENT ON COLUMN sekali.histogram.kind IS 'Open minutes are counted in shards, and become minutes, hours and days with age; before is what was counted before the table existed';
COMMENT ON COLUMN sekali.histogram.shard IS 'In an open minute, the shard of the counter and 16 times its stream id modulo 2047; otherwise 0';
CREATE INDEX histogram_beginning ON sekali.histogram (kind, beginning);
`;

/** @param rows the change, as rows of counters */
const countedBy = (name: string, rows: string): string => `
CREATE FUNCTION sekali.${name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
  SELECT topic, 'open', date_trunc('minute', now(), 'UTC'), shard,
    sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
  FROM (${rows}) change
  GROUP BY topic, shard
  HAVING sum(stored) <> 0 OR sum(duplicates) <> 0 OR sum(conflicts) <> 0 OR sum(dead_letters) <> 0
  ORDER BY topic, shard
  ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET
    stored = bucket.stored + excluded.stored,
    duplicates = bucket.duplicates + excluded.duplicates,
    conflicts = bucket.conflicts + excluded.conflicts,
    dead_letters = bucket.dead_letters + excluded.dead_letters;
  RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION sekali.${name} FROM PUBLIC;
`;

const FIGURES = 'stored, duplicates, conflicts, dead_letters';
const SHARD = '(16 * (stream_id % 2047) + shard)::smallint AS shard';
const ADDED = countedBy('count_added', `SELECT topic, ${SHARD}, ${FIGURES} FROM added`);
const CHANGED = countedBy(
  'count_changed',
  `SELECT topic, ${SHARD}, ${FIGURES} FROM newer
    UNION ALL SELECT topic, ${SHARD}, -stored, -duplicates, -conflicts, -dead_letters FROM older`,
);

// The time is read behind the lock: a batch that counts later began its minute before or after it, and is counted.
const BEGIN_COUNTING = `
LOCK TABLE sekali.counter IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO sekali.histogram (topic, kind, beginning, shard, ${FIGURES})
SELECT topic, 'before', clock_timestamp(), 0, sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
FROM sekali.counter GROUP BY topic
HAVING sum(stored) <> 0 OR sum(duplicates) <> 0 OR sum(conflicts) <> 0 OR sum(dead_letters) <> 0;
CREATE TRIGGER counted_added AFTER INSERT ON sekali.counter REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION sekali.count_added();
CREATE TRIGGER counted_changed AFTER UPDATE ON sekali.counter REFERENCING OLD TABLE AS older NEW TABLE AS newer
  FOR EACH STATEMENT EXECUTE FUNCTION sekali.count_changed();
`;

const ROLL_UP = `
CREATE FUNCTION sekali.roll_up_histogram(rows_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  step record;
  taken integer;
  total integer := 0;
BEGIN
  IF rows_max IS NULL OR rows_max NOT BETWEEN 1 AND 10000 THEN
    RAISE EXCEPTION 'the histogram is rolled up in steps of 1 to 10,000 rows' USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365020) THEN RETURN NULL; END IF;
  FOR step IN
    SELECT * FROM (VALUES ('open', 'minute', interval '1 hour'), ('minute', 'hour', interval '3 days'),
      ('hour', 'day', interval '90 days')) AS ages (younger, older, age)
  LOOP
    -- A row that a batch is changing is left to a later step, so this one waits for no batch.
    WITH chosen AS MATERIALIZED (
      SELECT topic, kind, beginning, shard FROM sekali.histogram
      WHERE kind = step.younger AND beginning < date_trunc(step.older, now() - step.age, 'UTC')
      ORDER BY beginning LIMIT rows_max FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM sekali.histogram bucket USING chosen
      WHERE bucket.topic = chosen.topic AND bucket.kind = chosen.kind AND bucket.beginning = chosen.beginning
        AND bucket.shard = chosen.shard
      RETURNING bucket.*
    ), merged AS (
      INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, ${FIGURES})
      SELECT topic, step.older, date_trunc(step.older, beginning, 'UTC') AS rounded, 0,
        sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
      FROM gone GROUP BY topic, rounded
      ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET
        stored = bucket.stored + excluded.stored,
        duplicates = bucket.duplicates + excluded.duplicates,
        conflicts = bucket.conflicts + excluded.conflicts,
        dead_letters = bucket.dead_letters + excluded.dead_letters
    )
    SELECT count(*) INTO taken FROM gone;
    total := total + taken;
  END LOOP;
  RETURN total;
END
$body$;
COMMENT ON FUNCTION sekali.roll_up_histogram IS 'Merges old rows of the histogram into longer ones; returns how many it took, null when another session does it';
REVOKE ALL ON FUNCTION sekali.roll_up_histogram FROM PUBLIC;
`;

/** Creates the histogram, its triggers, and the function that rolls it up. */
export class Histogram1732640000000 implements MigrationInterface {
  readonly name = 'Histogram1732640000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLE);
    await runner.query(ADDED);
    await runner.query(CHANGED);
    await runner.query(ROLL_UP);
    await runner.query(BEGIN_COUNTING);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
