/**
 * Functions that create tables for a worker, with the rights of the role that ran the migrations.
 *
 * A worker that owned the tables could empty them as well. So it may only call these two functions to have a table
 * created. Each is bounded, because a thief of a worker's password can call it, too. `search_path` is fixed: a function
 * that runs with the rights of its owner must not find objects of its caller.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const MAKE_PARTITION = `
CREATE FUNCTION sekali.make_partition(beginning timestamptz, ending timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  partition text := 'event_' || to_char(beginning, 'YYYYMMDD');
BEGIN
  IF beginning IS NULL OR ending IS NULL OR beginning >= ending OR ending > date_trunc('day', beginning) + interval '1 day' OR
     abs(beginning::date - current_date) > 62
  THEN
    RAISE EXCEPTION 'a partition from % to % is not made: it must lie within one day, and that within 62 days of today',
      beginning, ending USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365001);
  PERFORM FROM (
    SELECT bounds[1]::timestamptz AS lower, bounds[2]::timestamptz AS upper
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid,
      regexp_match(pg_get_expr(relpartbound, c.oid), 'FROM \\(''(.+)''\\) TO \\(''(.+)''\\)') AS bounds
    WHERE inhparent = 'sekali.event'::regclass
  ) present
  WHERE lower < ending AND upper > beginning;
  IF FOUND THEN RETURN NULL; END IF;
  -- A day that was made in another time zone may have the name, and another part of the time.
  IF to_regclass('sekali.' || partition) IS NOT NULL THEN
    partition := partition || '_' || to_char(beginning, 'HH24MI');
  END IF;
  EXECUTE format('CREATE TABLE sekali.%I (LIKE sekali.event INCLUDING ALL)', partition);
  LOCK TABLE sekali.event IN SHARE ROW EXCLUSIVE MODE;
  EXECUTE format(
    'WITH moved AS (DELETE FROM sekali.event_default WHERE stored_at >= $1 AND stored_at < $2 RETURNING *) '
      'INSERT INTO sekali.%I SELECT * FROM moved', partition)
    USING beginning, ending;
  EXECUTE format('ALTER TABLE sekali.event ATTACH PARTITION sekali.%I FOR VALUES FROM (%L) TO (%L)',
    partition, beginning, ending);
  RETURN 'sekali.' || partition;
END
$body$;
COMMENT ON FUNCTION sekali.make_partition IS 'Makes the partition of a day, or of a part of one; null when others have some of that time';
REVOKE ALL ON FUNCTION sekali.make_partition FROM PUBLIC;
`;

const MAKE_INBOX = `
CREATE FUNCTION sekali.make_inbox(consumer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  made text;
  model text;
  permitted record;
BEGIN
  IF consumer IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR consumer = 'store' THEN
    RAISE EXCEPTION '"%" cannot name an inbox: use 1 to 31 characters a-z 0-9 _, a letter first, not "store"', consumer
      USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365002);
  IF to_regclass(format('sekali.%I', consumer || '_attempt')) IS NULL AND
     (SELECT count(*) FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname LIKE '%\\_attempt') >= 100
  THEN
    RAISE EXCEPTION 'the inbox "%" is not made: there are 100 already', consumer USING ERRCODE = '54000';
  END IF;
  FOR made, model IN
    SELECT consumer || suffix, model_table FROM (VALUES ('_key', 'event_key'), ('_duplicate', 'duplicate'),
      ('_dead_letter', 'dead_letter'), ('_attempt', 'attempt'), ('_counter', 'counter')) AS family (suffix, model_table)
  LOOP
    CONTINUE WHEN to_regclass(format('sekali.%I', made)) IS NOT NULL;
    EXECUTE format('CREATE TABLE sekali.%I (LIKE sekali.%I INCLUDING ALL)', made, model);
    -- Who may do what with the model, or with a column of it, may do it with its likeness.
    FOR permitted IN
      SELECT pg_get_userbyid(grantee) AS role, privilege_type AS privilege
      FROM pg_class, aclexplode(relacl)
      WHERE oid = format('sekali.%I', model)::regclass AND grantee <> relowner AND grantee <> 0
      UNION ALL
      SELECT pg_get_userbyid(grantee), format('%s (%I)', privilege_type, attname)
      FROM pg_attribute, aclexplode(attacl)
      WHERE attrelid = format('sekali.%I', model)::regclass AND NOT attisdropped AND grantee <> 0
    LOOP
      EXECUTE format('GRANT %s ON sekali.%I TO %I', permitted.privilege, made, permitted.role);
    END LOOP;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.make_inbox IS 'Makes the tables of a further consumer, those that are missing';
REVOKE ALL ON FUNCTION sekali.make_inbox FROM PUBLIC;
`;

/** Creates `sekali.make_partition` and `sekali.make_inbox`. */
export class ProgramFunctions1732449600000 implements MigrationInterface {
  readonly name = 'ProgramFunctions1732449600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(MAKE_PARTITION);
    await runner.query(MAKE_INBOX);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
