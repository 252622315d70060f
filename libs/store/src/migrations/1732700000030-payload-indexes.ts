/**
 * Indexes of payloads, which a day of events gets when it is closed: see payload-indexes.ts.
 *
 * The rules are rows that setup writes, as those of retention are. A worker may only ask for the next change. It is one
 * transaction, so an index that is not finished leaves nothing. With CONCURRENTLY, only the owner of the table could
 * build it, outside of any function, and a crash would leave an invalid index.
 *
 * A text needs the extension pg_trgm, which setup creates when a rule asks for it. Without it, no such index is built.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const RULES = `
CREATE TABLE sekali.index_rule (
  position integer NOT NULL,
  pattern text NOT NULL,
  expression text NOT NULL,
  kind text NOT NULL CONSTRAINT index_rule_kind CHECK (kind IN ('none', 'fields', 'text')),
  CONSTRAINT index_rule_position PRIMARY KEY (position)
);
COMMENT ON TABLE sekali.index_rule IS 'Which indexes of payloads closed days get: the first rule that matches a topic decides; none asks for no index';
COMMENT ON COLUMN sekali.index_rule.expression IS 'The pattern as a regular expression';
COMMENT ON COLUMN sekali.index_rule.kind IS 'fields: of members and their values; text: of these, and of any part of the text';
`;

// The topics of a day are walked by index, one lookup for each, however many events it has. The walk ends at the first
// topic that asks for as much as any rule does. A day without a readable end is none that is closed.
const CHANGE_PAYLOAD_INDEX = `
CREATE FUNCTION sekali.change_payload_index() RETURNS TABLE (name text, is_built boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = ${LOCK_MS_MAX}
SET max_parallel_maintenance_workers = 0
AS $body$
#variable_conflict use_column
DECLARE
  part record;
  most integer := (SELECT coalesce(max(CASE kind WHEN 'text' THEN 2 WHEN 'fields' THEN 1 ELSE 0 END), 0) FROM sekali.index_rule);
  asked integer;
  trigrams text := (SELECT nspname FROM pg_extension JOIN pg_namespace space ON space.oid = extnamespace WHERE extname = 'pg_trgm');
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365030) THEN
    RETURN QUERY SELECT NULL::text, NULL::boolean;
    RETURN;
  END IF;
  FOR part IN
    SELECT day, to_regclass(format('sekali.%I', day || '_by_fields')) IS NOT NULL AS has_fields,
      to_regclass(format('sekali.%I', day || '_by_text')) IS NOT NULL AS has_text
    FROM sekali.payload_days() WHERE until < now() - interval '1 hour' ORDER BY until DESC
  LOOP
    CONTINUE WHEN NOT (most > 0 OR part.has_fields OR part.has_text);
    asked := 0;
    IF most > 0 THEN
      EXECUTE format($query$
        WITH RECURSIVE present (topic) AS (
          (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
          UNION ALL
          SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
          FROM present WHERE present.topic IS NOT NULL
        ), asking AS MATERIALIZED (
          SELECT (
            SELECT CASE kind WHEN 'text' THEN 2 WHEN 'fields' THEN 1 ELSE 0 END
            FROM sekali.index_rule WHERE topic ~ expression ORDER BY position LIMIT 1
          ) AS asked FROM present
        )
        SELECT CASE WHEN EXISTS (SELECT FROM asking WHERE asked = $1) THEN $1
          ELSE (SELECT coalesce(max(asked), 0) FROM asking) END$query$, part.day) INTO asked USING most;
    END IF;
    IF asked >= 1 AND NOT part.has_fields THEN
      EXECUTE format('CREATE INDEX %I ON sekali.%I USING gin (payload jsonb_path_ops)', part.day || '_by_fields', part.day);
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_fields', true;
      RETURN;
    ELSIF asked >= 2 AND NOT part.has_text AND trigrams IS NOT NULL THEN
      EXECUTE format('CREATE INDEX %I ON sekali.%I USING gin ((payload::text) %I.gin_trgm_ops)',
        part.day || '_by_text', part.day, trigrams);
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_text', true;
      RETURN;
    ELSIF asked < 1 AND part.has_fields THEN
      EXECUTE format('DROP INDEX sekali.%I', part.day || '_by_fields');
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_fields', false;
      RETURN;
    ELSIF asked < 2 AND part.has_text THEN
      EXECUTE format('DROP INDEX sekali.%I', part.day || '_by_text');
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_text', false;
      RETURN;
    END IF;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.change_payload_index IS 'Builds an index of payloads that a rule asks for and a closed day lacks, newest day first, or drops one that no rule asks for; no row when none is left, and one of nulls while another session builds one';
REVOKE ALL ON FUNCTION sekali.change_payload_index FROM PUBLIC;
`;

/** Creates the rules, without any, and the function that obeys them. */
export class PayloadIndexes1732700000030 implements MigrationInterface {
  readonly name = 'PayloadIndexes1732700000030';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(RULES);
    await runner.query(CHANGE_PAYLOAD_INDEX);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
