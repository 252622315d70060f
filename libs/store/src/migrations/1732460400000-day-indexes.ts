/**
 * The index by source is built when a day is closed, no longer while its events are stored.
 *
 * An event entered six B-trees, and that by source cost 0.8 of the 11 µs that Postgres needed for it. A page by source
 * walks the days without the index in bounded steps (day-indexes.ts). Programs of the previous version do without it,
 * but their pages by source take long. The days that exist get their index from the workers, one after the other.
 *
 * The index of the default partition is kept, so that every partition before a given day has one.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const REPLACE_INDEX = `
CREATE INDEX event_default_by_source ON sekali.event_default (source, stream_id, seq);
DROP INDEX sekali.event_source;
`;

const INDEX_CLOSED_DAY = `
CREATE FUNCTION sekali.index_closed_day() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = ${LOCK_MS_MAX}
SET max_parallel_maintenance_workers = 0
AS $body$
DECLARE
  day text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365005) THEN RETURN NULL; END IF;
  SELECT relname INTO day
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
  WHERE inhparent = 'sekali.event'::regclass
    AND substring(pg_get_expr(relpartbound, part.oid) from 'TO \\(''(.+)''\\)$')::timestamptz < now() - interval '1 hour'
    AND to_regclass(format('sekali.%I', relname || '_by_source')) IS NULL
  ORDER BY substring(pg_get_expr(relpartbound, part.oid) from 'TO \\(''(.+)''\\)$')::timestamptz
  LIMIT 1;
  IF day IS NULL THEN RETURN NULL; END IF;
  EXECUTE format('CREATE INDEX %I ON sekali.%I (source, stream_id, seq)', day || '_by_source', day);
  RETURN 'sekali.' || day || '_by_source';
END
$body$;
COMMENT ON FUNCTION sekali.index_closed_day IS 'Builds the index of the oldest closed day that lacks it; null when none does, or another session builds one';
REVOKE ALL ON FUNCTION sekali.index_closed_day FROM PUBLIC;
`;

/** Drops `event_source`, and creates `sekali.index_closed_day`. */
export class DayIndexes1732460400000 implements MigrationInterface {
  readonly name = 'DayIndexes1732460400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(INDEX_CLOSED_DAY);
    await runner.query(REPLACE_INDEX);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
