/**
 * The database refuses the consumer names `event`, `api` and `broker` as well, because their tables would be ours.
 *
 * Programs refuse them first (inbox-tables.ts). But a thief of a worker's password could call the function with one of
 * them. It left `event_key` as it was and created the other tables, so the ledger's own keys seemed to be a consumer's.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const MAKE_INBOX = `
CREATE OR REPLACE FUNCTION sekali.make_inbox(consumer text) RETURNS void
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
  IF consumer IN ('event', 'api', 'broker') THEN
    RAISE EXCEPTION '"%" cannot name an inbox: one of its tables would be another''s', consumer USING ERRCODE = '22023';
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
`;

/** Replaces `sekali.make_inbox`. The right to call it stays as it is. */
export class InboxNames1732453200000 implements MigrationInterface {
  readonly name = 'InboxNames1732453200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(MAKE_INBOX);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
