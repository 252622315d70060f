/**
 * Drops a day of payloads in small steps: its events are noted before, some thousand at a time, and the last step only
 * drops the table.
 *
 * Noting a day in one statement read it twice without a pause. That took one of two processors from the workers for as
 * long as the day was large. So a step notes some rows, in a transaction of its own, and the caller pauses.
 *
 * The notes count only once the day is dropped. They are thrown away when rows of the day are deleted otherwise, or may
 * have got another stream id. `drop_payload_day` stays as it is for workers of the version before.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const TABLES = `
CREATE TABLE sekali.noted_day (
  partition text NOT NULL,
  streams integer NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT noted_day_partition PRIMARY KEY (partition)
);
COMMENT ON TABLE sekali.noted_day IS 'Days of events that are being noted, to be dropped';
COMMENT ON COLUMN sekali.noted_day.streams IS 'The newest stream id when noting began: with a newer one, rows may have moved, and noting begins again';
COMMENT ON COLUMN sekali.noted_day.seq IS 'With stream_id, up to where its events are noted';

CREATE TABLE sekali.noted_payload (
  partition text NOT NULL,
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  CONSTRAINT noted_payload_day PRIMARY KEY (partition, topic, day)
);
COMMENT ON TABLE sekali.noted_payload IS 'What is noted of such a day; it becomes dropped_payload when the day is dropped';
`;

// The topics of a day are walked when noting begins, and once more before the drop, since rules may change meanwhile.
const DROP_PAYLOAD_DAY_STEP = `
CREATE FUNCTION sekali.drop_payload_day_step(asked text, rows_max integer)
RETURNS TABLE (rows bigint, bytes bigint, is_dropped boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
#variable_conflict use_column
DECLARE
  part record;
  noted sekali.noted_day;
  newest_stream integer := (SELECT max(stream_id) FROM sekali.stream);
  is_begun boolean;
  is_kept boolean;
  walked record;
BEGIN
  IF rows_max NOT BETWEEN 1 AND 100000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step notes 1 to 100,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT * INTO part FROM sekali.payload_days() WHERE day = asked AND until <= date_trunc('day', now(), 'UTC') - interval '24 hours';
  IF NOT FOUND OR NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  SELECT * INTO noted FROM sekali.noted_day WHERE partition = asked AND streams = newest_stream;
  is_begun := FOUND;
  IF is_begun THEN
    EXECUTE format('
      WITH newest AS MATERIALIZED (
        SELECT stream_id, (SELECT max(seq) FROM sekali.event_key key WHERE key.stream_id = stream.stream_id) AS seq FROM sekali.stream
      ), walked AS MATERIALIZED (
        SELECT stream_id, seq, topic, event_id, published_at, stored_at, pg_column_size(payload) AS bytes FROM sekali.%I
        WHERE (stream_id, seq) > ($2, $3) ORDER BY stream_id, seq LIMIT $4
      ), sampled AS (
        INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
        SELECT stream_id, walked.seq, topic, event_id, published_at
        FROM walked LEFT JOIN newest USING (stream_id)
        WHERE walked.seq %% 1000 = 0 OR walked.seq > coalesce(newest.seq, 0) - 8
        ON CONFLICT DO NOTHING
      ), counted AS (
        INSERT INTO sekali.noted_payload AS known (partition, topic, day, rows, bytes)
        SELECT $1, topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*), sum(bytes) FROM walked GROUP BY 2, 3
        ON CONFLICT (partition, topic, day) DO UPDATE SET rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes
      )
      SELECT stream_id, seq, (SELECT count(*) FROM walked) AS rows, (SELECT sum(bytes) FROM walked) AS bytes
      FROM walked ORDER BY 1 DESC, 2 DESC LIMIT 1', part.day)
      INTO walked USING asked, noted.stream_id, noted.seq, rows_max;
    IF walked.rows > 0 THEN
      UPDATE sekali.noted_day SET stream_id = walked.stream_id, seq = walked.seq WHERE partition = asked;
      RETURN QUERY SELECT walked.rows, walked.bytes, false;
      RETURN;
    END IF;
    -- Nobody may change a row from here on, and everyone may read. It ends a vacuum of the day.
    EXECUTE format('LOCK TABLE sekali.%I IN SHARE MODE', part.day);
    -- Rows get another stream id only in a transaction that adds a stream.
    is_begun := (SELECT max(stream_id) FROM sekali.stream) = newest_stream;
  END IF;
  IF noted IS NULL THEN
    -- A reader may stay for hours, so nothing is noted before the lock was there once. The error lets go of it.
    BEGIN
      SET LOCAL lock_timeout = 200;
      EXECUTE format('LOCK TABLE ONLY sekali.event, sekali.%I IN ACCESS EXCLUSIVE MODE', part.day);
      RAISE EXCEPTION 'the day can be locked' USING ERRCODE = 'RD001';
    EXCEPTION WHEN SQLSTATE 'RD001' THEN
      NULL;
    END;
  END IF;
  EXECUTE format('
    WITH RECURSIVE present (topic) AS (
      (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
      UNION ALL
      SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
      FROM present WHERE present.topic IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM present WHERE topic IS NOT NULL AND sekali.payload_cutoff(topic) >= $1 IS NOT TRUE)', part.day)
    INTO is_kept USING part.until;
  IF is_kept OR NOT is_begun THEN
    DELETE FROM sekali.noted_payload WHERE partition = asked;
    DELETE FROM sekali.noted_day WHERE partition = asked;
    IF is_kept THEN RETURN; END IF;
    INSERT INTO sekali.noted_day (partition, streams, stream_id, seq)
    VALUES (asked, newest_stream, 0, -9223372036854775808);
    RETURN QUERY SELECT 0::bigint, 0::bigint, false;
    RETURN;
  END IF;
  RETURN QUERY SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint, true
  FROM sekali.noted_payload WHERE partition = asked;
  INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
  SELECT topic, day, rows, bytes FROM sekali.noted_payload WHERE partition = asked ORDER BY 1, 2
  ON CONFLICT (topic, day) DO UPDATE SET
    rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes, dropped_at = excluded.dropped_at;
  DELETE FROM sekali.noted_payload WHERE partition = asked;
  DELETE FROM sekali.noted_day WHERE partition = asked;
  -- Every insert and page waits behind this lock, so a try is short. The caller tries again.
  SET LOCAL lock_timeout = 200;
  EXECUTE format('DROP TABLE sekali.%I', part.day);
END
$body$;
COMMENT ON FUNCTION sekali.drop_payload_day_step IS 'One step of dropping a day of payloads that are all older than their rules: it notes some rows, or drops the day that is noted, with the sums of all its rows. No row when the day may not go, or another session drops';
REVOKE ALL ON FUNCTION sekali.drop_payload_day_step FROM PUBLIC;
`;

// The functions that delete rows note that in dropped_payload, whichever version of a worker calls them.
const FORGET_NOTES = `
CREATE FUNCTION sekali.forget_notes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  WITH gone AS (
    DELETE FROM sekali.noted_payload
    WHERE partition IN (SELECT partition FROM sekali.noted_payload JOIN changed USING (day)) RETURNING partition
  )
  DELETE FROM sekali.noted_day WHERE partition IN (SELECT partition FROM gone);
  RETURN NULL;
END
$body$;
COMMENT ON FUNCTION sekali.forget_notes IS 'Throws the notes of a day away, because payloads of it have been dropped in another way';
REVOKE ALL ON FUNCTION sekali.forget_notes FROM PUBLIC;

CREATE TRIGGER dropped_added AFTER INSERT ON sekali.dropped_payload
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sekali.forget_notes();
CREATE TRIGGER dropped_changed AFTER UPDATE ON sekali.dropped_payload
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sekali.forget_notes();
`;

/** Creates the tables and the function. A day that is not being dropped has no notes. */
export class NotedDays1732700000021 implements MigrationInterface {
  readonly name = 'NotedDays1732700000021';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, DROP_PAYLOAD_DAY_STEP, FORGET_NOTES]) await runner.query(statement);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
