/**
 * Drops payloads by age, and remembers what it dropped.
 *
 * The rules are rows that setup writes, and the functions take no age from their caller. So workers agree without
 * talking, and a thief of a worker's password can have nothing dropped that the rules keep. Each function does one
 * bounded step in the caller's transaction, together with its record. A process that dies leaves a whole state.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const TABLES = `
CREATE TABLE sekali.retention_rule (
  position integer NOT NULL,
  pattern text NOT NULL,
  expression text NOT NULL,
  days integer,
  CONSTRAINT retention_rule_position PRIMARY KEY (position),
  CONSTRAINT retention_rule_days CHECK (days > 0)
);
COMMENT ON TABLE sekali.retention_rule IS 'How long payloads are kept: the first rule that matches a topic decides; none keeps them for ever';
COMMENT ON COLUMN sekali.retention_rule.expression IS 'The pattern as a regular expression';
COMMENT ON COLUMN sekali.retention_rule.days IS 'Whole days in UTC after that of storing; null is for ever';

CREATE TABLE sekali.dropped_payload (
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT dropped_payload_day PRIMARY KEY (topic, day)
);
COMMENT ON TABLE sekali.dropped_payload IS 'How many events of a topic and a day in UTC have lost their rows in event by age; their keys stay';
COMMENT ON COLUMN sekali.dropped_payload.bytes IS 'Of the payloads as they were stored';
COMMENT ON COLUMN sekali.dropped_payload.dropped_at IS 'Of the last rows';

CREATE TABLE sekali.event_sample (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  published_at timestamptz NOT NULL,
  CONSTRAINT event_sample_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON TABLE sekali.event_sample IS 'Some of the events that were dropped by age, the newest among them: the history of a stream is compared by when they were published';
`;

const PAYLOAD_CUTOFF = `
CREATE FUNCTION sekali.payload_cutoff(asked text) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours'
  FROM sekali.retention_rule WHERE asked ~ expression ORDER BY position LIMIT 1
$body$;
COMMENT ON FUNCTION sekali.payload_cutoff IS 'The instant before which payloads of a topic are dropped; null when they are kept';
REVOKE ALL ON FUNCTION sekali.payload_cutoff FROM PUBLIC;
`;

// A partition whose bounds cannot be read is treated as the default one: by the time of each row.
const PAYLOAD_DAYS = `
CREATE FUNCTION sekali.payload_days() RETURNS TABLE (day text, since timestamptz, until timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
  LEFT JOIN LATERAL regexp_match(pg_get_expr(relpartbound, part.oid), 'FROM \\(''(.+)''\\) TO \\(''(.+)''\\)') AS bounds ON true
  WHERE inhparent = 'sekali.event'::regclass
$body$;
COMMENT ON FUNCTION sekali.payload_days IS 'The partitions of event, with their bounds';
REVOKE ALL ON FUNCTION sekali.payload_days FROM PUBLIC;
`;

// The topics of a day are walked by index, one lookup for each, however many events it has.
const AGED_PAYLOADS = `
CREATE FUNCTION sekali.aged_payloads(counted boolean)
RETURNS TABLE (day text, since timestamptz, topic text, is_whole boolean, rows bigint, bytes bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_column
DECLARE
  part record;
BEGIN
  IF NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  FOR part IN SELECT * FROM sekali.payload_days() ORDER BY until NULLS LAST LOOP
    CONTINUE WHEN part.since >= date_trunc('day', now(), 'UTC') - interval '24 hours';
    BEGIN
      RETURN QUERY EXECUTE format($query$
      WITH RECURSIVE present (topic) AS (
        (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
        UNION ALL
        SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
        FROM present WHERE present.topic IS NOT NULL
      ), judged AS MATERIALIZED (
        SELECT topic, sekali.payload_cutoff(topic) AS cutoff FROM present WHERE topic IS NOT NULL
      ), day AS (
        SELECT coalesce($2 <= date_trunc('day', now(), 'UTC') - interval '24 hours'
          AND NOT EXISTS (SELECT FROM judged WHERE cutoff >= $2 IS NOT TRUE), false) AS is_whole
      )
      SELECT %1$L::text, $1, topic, is_whole, CASE WHEN $3 THEN size.rows END, CASE WHEN $3 THEN size.bytes END
      FROM judged CROSS JOIN day CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(pg_column_size(payload)), 0)::bigint AS bytes
        FROM (SELECT payload FROM sekali.%1$I aged
              WHERE aged.topic = judged.topic AND stored_at < cutoff LIMIT CASE WHEN NOT $3 THEN 1 END) those
      ) size
      WHERE size.rows > 0
      UNION ALL
      SELECT %1$L, $1, NULL, true, CASE WHEN $3 THEN 0::bigint END, CASE WHEN $3 THEN 0::bigint END
      FROM day WHERE is_whole AND NOT EXISTS (SELECT FROM judged)$query$, part.day)
      USING part.since, part.until, counted;
    EXCEPTION WHEN undefined_table THEN
      -- Another session has dropped it.
      NULL;
    END;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.aged_payloads IS 'The payloads that are older than their rule, by day and topic; a whole day can be dropped at once. An empty day has no topic';
REVOKE ALL ON FUNCTION sekali.aged_payloads FROM PUBLIC;
`;

// Parts of both functions that drop. They are texts of statements that `format` builds, where %% is one %.
const NEWEST = `newest AS MATERIALIZED (
      SELECT stream_id, (SELECT max(seq) FROM sekali.event_key key WHERE key.stream_id = stream.stream_id) AS seq FROM sekali.stream
    )`;
const ADD_UP = `ON CONFLICT (topic, day) DO UPDATE SET
        rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes, dropped_at = excluded.dropped_at`;
/** Of the dropped events, each thousandth is kept as a sample, and the newest eight of a stream. */
const isSample = (event: string): string =>
  `${event}.seq %% 1000 = 0 OR ${event}.seq > coalesce(newest.seq, 0) - 8`;

// The rows of an older day neither come nor change while it is locked against changes of its definition: events are
// stored under the present time.
const DROP_PAYLOAD_DAY = `
CREATE FUNCTION sekali.drop_payload_day(asked text) RETURNS TABLE (rows bigint, bytes bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
#variable_conflict use_column
DECLARE
  part record;
  is_kept boolean;
  dropped record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT * INTO part FROM sekali.payload_days() WHERE day = asked AND until <= date_trunc('day', now(), 'UTC') - interval '24 hours';
  IF NOT FOUND OR NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  -- It ends a vacuum of the day, and lets everyone read and write.
  EXECUTE format('LOCK TABLE sekali.%I IN SHARE UPDATE EXCLUSIVE MODE', part.day);
  EXECUTE format('
    WITH RECURSIVE present (topic) AS (
      (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
      UNION ALL
      SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
      FROM present WHERE present.topic IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM present WHERE topic IS NOT NULL AND sekali.payload_cutoff(topic) >= $1 IS NOT TRUE)', part.day)
    INTO is_kept USING part.until;
  IF is_kept THEN RETURN; END IF;
  -- A reader may stay for hours, so nothing is counted before the lock was there once. The error lets go of it.
  BEGIN
    SET LOCAL lock_timeout = 200;
    EXECUTE format('LOCK TABLE ONLY sekali.event, sekali.%I IN ACCESS EXCLUSIVE MODE', part.day);
    RAISE EXCEPTION 'the day can be locked' USING ERRCODE = 'RD001';
  EXCEPTION WHEN SQLSTATE 'RD001' THEN
    NULL;
  END;
  EXECUTE format('
    WITH ${NEWEST}
    INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
    SELECT stream_id, stored.seq, topic, event_id, published_at
    FROM sekali.%I stored LEFT JOIN newest USING (stream_id)
    WHERE ${isSample('stored')}
    ON CONFLICT DO NOTHING', part.day);
  EXECUTE format('
    WITH gone AS (
      SELECT topic, (stored_at AT TIME ZONE ''UTC'')::date AS day, count(*) AS rows, sum(pg_column_size(payload)) AS bytes
      FROM sekali.%I GROUP BY 1, 2
    ), noted AS (
      INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
      SELECT * FROM gone ORDER BY 1, 2
      ${ADD_UP}
    )
    SELECT coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone', part.day)
    INTO dropped;
  -- Every insert and page waits behind this lock, so each try is short, and the pauses are longer.
  FOR try IN 1 .. 12 LOOP
    BEGIN
      SET LOCAL lock_timeout = 200;
      EXECUTE format('DROP TABLE sekali.%I', part.day);
      RETURN QUERY SELECT dropped.rows, dropped.bytes;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      IF try = 12 THEN RAISE; END IF;
      PERFORM pg_sleep(5);
    END;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.drop_payload_day IS 'Drops a day of payloads that are all older than their rules, and notes them; no row when it did not, or another session drops';
REVOKE ALL ON FUNCTION sekali.drop_payload_day FROM PUBLIC;
`;

const DROP_PAYLOAD_ROWS = `
CREATE FUNCTION sekali.drop_payload_rows(asked_day text, asked_topic text, after_stream_id integer, after_seq bigint, rows_max integer)
RETURNS TABLE (rows bigint, bytes bigint, stream_id integer, seq bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
#variable_conflict use_column
DECLARE
  cutoff timestamptz := sekali.payload_cutoff(asked_topic);
BEGIN
  IF rows_max NOT BETWEEN 1 AND 10000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step drops 1 to 10,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  IF cutoff IS NULL OR NOT EXISTS (SELECT FROM sekali.payload_days() WHERE day = asked_day) THEN RETURN; END IF;
  RETURN QUERY EXECUTE format('
    WITH ${NEWEST}, aged AS MATERIALIZED (
      SELECT ctid AS place FROM sekali.%1$I
      WHERE topic = $1 AND (stream_id, seq) > ($3, $4) AND stored_at < $2
      ORDER BY stream_id, seq LIMIT $5
    ), gone AS (
      DELETE FROM sekali.%1$I stored USING aged WHERE stored.ctid = aged.place
      RETURNING stream_id, seq, topic, event_id, published_at, stored_at, pg_column_size(payload) AS bytes
    ), sampled AS (
      INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
      SELECT stream_id, gone.seq, topic, event_id, published_at
      FROM gone LEFT JOIN newest USING (stream_id)
      WHERE ${isSample('gone')}
      ON CONFLICT DO NOTHING
    ), noted AS (
      INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
      SELECT topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*), sum(bytes) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
      ${ADD_UP}
    ), place AS (
      SELECT stream_id, seq FROM gone ORDER BY stream_id DESC, seq DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM gone), (SELECT coalesce(sum(bytes), 0)::bigint FROM gone),
      (SELECT stream_id FROM place), (SELECT seq FROM place)', asked_day)
    USING asked_topic, cutoff, after_stream_id, after_seq, rows_max;
END
$body$;
COMMENT ON FUNCTION sekali.drop_payload_rows IS 'Drops rows of a day and a topic that are older than their rule, behind a place, and notes them; no row when another session drops';
REVOKE ALL ON FUNCTION sekali.drop_payload_rows FROM PUBLIC;
`;

/** Creates the tables and functions of retention. Without rules, nothing is dropped. */
export class Retention1732610000000 implements MigrationInterface {
  readonly name = 'Retention1732610000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [
      TABLES,
      PAYLOAD_CUTOFF,
      PAYLOAD_DAYS,
      AGED_PAYLOADS,
      DROP_PAYLOAD_DAY,
      DROP_PAYLOAD_ROWS,
    ])
      await runner.query(statement);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
