/**
 * Drops duplicates, conflicts and dead letters of the consumer `store` by age, and remembers which sequences they had.
 *
 * A row is what makes a redelivered message count once. So a row is dropped only when its message has left the stream
 * and everything below it is settled. Of each dropped row, a bit remains: the audit compares sets of sequences, and
 * never sums, so that one missing and one doubled cannot cancel out. 1,024 sequences take about 300 bytes.
 *
 * Only workers see the stream, so they write `stream_floor`, as they write the horizon. A thief of a worker's password
 * could set them too high. Then rows go whose messages the stream still has. Delivered again, such a message counts
 * twice, and the audit finds it by its bit. The ages still hold, since only setup writes them: no younger row goes.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const TABLES = `
CREATE TABLE sekali.retention_age (
  kind text NOT NULL,
  days integer NOT NULL,
  CONSTRAINT retention_age_kind PRIMARY KEY (kind),
  CONSTRAINT retention_age_known CHECK (kind IN ('duplicate', 'conflict', 'dead_letter')),
  CONSTRAINT retention_age_days CHECK (days > 0)
);
COMMENT ON TABLE sekali.retention_age IS 'How long rows of a kind are kept, in whole days in UTC; a kind without an age is kept for ever';

CREATE TABLE sekali.stream_floor (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT stream_floor_stream PRIMARY KEY (stream_id)
);
COMMENT ON TABLE sekali.stream_floor IS 'The first sequence that the stream still had when a worker last noted it';

CREATE TABLE sekali.dropped_row (
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  CONSTRAINT dropped_row_topic PRIMARY KEY (stream_id, topic)
);
COMMENT ON TABLE sekali.dropped_row IS 'How many rows of a topic were dropped by age; counters still count them. Duplicates include conflicts';

CREATE TABLE sekali.dropped_sequence (
  stream_id integer NOT NULL,
  block bigint NOT NULL,
  duplicates bit(1024) NOT NULL,
  dead_letters bit(1024) NOT NULL,
  CONSTRAINT dropped_sequence_block PRIMARY KEY (stream_id, block)
);
COMMENT ON TABLE sekali.dropped_sequence IS 'The sequences of rows that were dropped by age: bit n of a block is its sequence 1024 * block + n';
`;

// The newest rows stay, because the end of the ledger is read from them.
const DROPPABLE_UP_TO = `
CREATE FUNCTION sekali.droppable_up_to(asked integer) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT least(
    (SELECT seq - 1 FROM sekali.stream_floor WHERE stream_id = asked),
    coalesce(
      (SELECT base_seq FROM sekali.stream WHERE base_stream_id = asked),
      (SELECT seq FROM sekali.horizon WHERE stream_id = asked), 0),
    greatest(
      (SELECT max(seq) FROM sekali.event_key WHERE stream_id = asked),
      (SELECT max(seq) FROM sekali.duplicate WHERE stream_id = asked),
      (SELECT max(seq) FROM sekali.dead_letter WHERE stream_id = asked)) - 8)
  FROM sekali.stream_floor WHERE stream_id = asked
$body$;
COMMENT ON FUNCTION sekali.droppable_up_to IS 'Up to this sequence the stream has no message any more, and all is settled; null when that is not known';
REVOKE ALL ON FUNCTION sekali.droppable_up_to FROM PUBLIC;
`;

const AGED_ROWS = `
CREATE FUNCTION sekali.aged_rows() RETURNS TABLE (kind text, rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
  WITH cutoff AS (
    SELECT kind, date_trunc('day', now(), 'UTC') - days * interval '24 hours' AS instant FROM sekali.retention_age
  ), place AS MATERIALIZED (
    SELECT stream_id, sekali.droppable_up_to(stream_id) AS up_to FROM sekali.stream_floor
  )
  SELECT kind, count(*) FROM (
    SELECT CASE WHEN conflict THEN 'conflict' ELSE 'duplicate' END AS kind, recorded_at
    FROM sekali.duplicate JOIN place USING (stream_id) WHERE seq <= up_to
    UNION ALL
    SELECT 'dead_letter', recorded_at FROM sekali.dead_letter JOIN place USING (stream_id) WHERE seq <= up_to
  ) settled JOIN cutoff USING (kind) WHERE recorded_at < cutoff.instant GROUP BY kind ORDER BY kind
$body$;
COMMENT ON FUNCTION sekali.aged_rows IS 'How many duplicates, conflicts and dead letters are older than their age and may be dropped';
REVOKE ALL ON FUNCTION sekali.aged_rows FROM PUBLIC;
`;

// A table of which no kind has an age is not read. The caller remembers how far it has read the others. Rows are deleted
// by an array, which is looked up in the key: a join may be planned as a walk over the table for each step.
// A duplicate that is a replay says what became of it, so it stays as long as the action.
const DROP_AGED_ROWS = `
CREATE FUNCTION sekali.drop_aged_rows(asked integer, after_seq bigint, rows_max integer)
RETURNS TABLE (duplicates bigint, conflicts bigint, dead_letters bigint, seq bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
#variable_conflict use_column
DECLARE
  today timestamptz := date_trunc('day', now(), 'UTC');
  duplicate_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'duplicate');
  conflict_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'conflict');
  letter_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'dead_letter');
  up_to bigint := sekali.droppable_up_to(asked);
  no_bits bit(1024) := repeat('0', 1024)::bit(1024);
BEGIN
  IF rows_max NOT BETWEEN 1 AND 10000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step drops 1 to 10,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  RETURN QUERY
  WITH walked AS MATERIALIZED (
    (SELECT seq, recorded_at < CASE WHEN conflict THEN conflict_cutoff ELSE duplicate_cutoff END AND NOT EXISTS (
        SELECT FROM sekali.dead_letter_action action
        WHERE action.topic = again.topic AND action.event_id = again.event_id AND action.replay_seq = again.seq) AS is_duplicate,
      false AS is_letter, recorded_at
     FROM sekali.duplicate again WHERE coalesce(duplicate_cutoff, conflict_cutoff) IS NOT NULL
       AND stream_id = asked AND seq > after_seq AND seq <= up_to ORDER BY seq LIMIT rows_max)
    UNION ALL
    (SELECT seq, false, recorded_at < letter_cutoff, recorded_at
     FROM sekali.dead_letter WHERE letter_cutoff IS NOT NULL
       AND stream_id = asked AND seq > after_seq AND seq <= up_to ORDER BY seq LIMIT rows_max)
    ORDER BY 1 LIMIT rows_max
  ), repeats AS (
    DELETE FROM sekali.duplicate again
    WHERE stream_id = asked AND again.seq = ANY (ARRAY(SELECT seq FROM walked WHERE is_duplicate))
    RETURNING again.seq, again.topic, again.conflict
  ), letters AS (
    DELETE FROM sekali.dead_letter letter
    WHERE stream_id = asked AND letter.seq = ANY (ARRAY(SELECT seq FROM walked WHERE is_letter))
    RETURNING letter.seq, letter.topic, letter.published_at
  ), actions AS (
    DELETE FROM sekali.dead_letter_action action USING letters
    WHERE action.consumer = 'store' AND action.seq = letters.seq AND action.published_at = letters.published_at
  ), gone AS (
    SELECT seq, topic, 1 AS is_repeat, conflict::integer AS is_conflict, 0 AS is_letter FROM repeats
    UNION ALL SELECT seq, topic, 0, 0, 1 FROM letters
  ), noted AS (
    INSERT INTO sekali.dropped_row AS known (stream_id, topic, duplicates, conflicts, dead_letters)
    SELECT asked, topic, sum(is_repeat), sum(is_conflict), sum(is_letter) FROM gone GROUP BY topic ORDER BY topic
    ON CONFLICT (stream_id, topic) DO UPDATE SET duplicates = known.duplicates + excluded.duplicates,
      conflicts = known.conflicts + excluded.conflicts, dead_letters = known.dead_letters + excluded.dead_letters
  ), marked AS (
    INSERT INTO sekali.dropped_sequence AS known (stream_id, block, duplicates, dead_letters)
    SELECT asked, seq / 1024, bit_or(set_bit(no_bits, (seq % 1024)::integer, is_repeat)),
      bit_or(set_bit(no_bits, (seq % 1024)::integer, is_letter))
    FROM gone GROUP BY 2 ORDER BY 2
    ON CONFLICT (stream_id, block) DO UPDATE SET
      duplicates = known.duplicates | excluded.duplicates, dead_letters = known.dead_letters | excluded.dead_letters
  )
  SELECT (SELECT count(*) FROM repeats), (SELECT count(*) FROM repeats WHERE conflict), (SELECT count(*) FROM letters),
    -- What was recorded later is not older.
    (SELECT max(walked.seq) FROM walked HAVING count(*) = rows_max
       AND min(recorded_at) < greatest(duplicate_cutoff, conflict_cutoff, letter_cutoff));
END
$body$;
COMMENT ON FUNCTION sekali.drop_aged_rows IS 'Drops rows of a stream that are older than their age, behind a sequence, and notes them. It returns where to go on, null at the end; no row when another session drops';
REVOKE ALL ON FUNCTION sekali.drop_aged_rows FROM PUBLIC;
`;

/** Creates the tables and functions. Without ages, nothing is dropped. */
export class RowAges1732610000001 implements MigrationInterface {
  readonly name = 'RowAges1732610000001';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, DROPPABLE_UP_TO, AGED_ROWS, DROP_AGED_ROWS])
      await runner.query(statement);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
