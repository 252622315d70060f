/**
 * Generations of keys: the price of a new id does not grow with the ids that were stored before.
 *
 * New ids go into the youngest table, which is small. Older ones are closed, and are only read. Three designs were
 * considered for statements that have to see every generation:
 *
 * - A view over all of them. It cannot be updated, so each update would go over the tables one by one. Replacing it
 *   waits for every reader, and an audit reads for minutes. Programs of the version before would not know the view.
 * - Partitions. A unique constraint over a partitioned table needs the partition key, and a hash of the id would
 *   spread new ids over all partitions again. `event_key` would have to be moved.
 * - Inheritance, which is in use: `event_key_g1`, `event_key_g2`, and so on, are children of `event_key`, which is
 *   generation 0 and stays as it is. A query or an update of `event_key` covers its children, also that of a program of
 *   the version before. Only inserts name the youngest table.
 *
 * The database itself keeps late inserts out. The trigger of a closed table refuses them, and creating it waits for
 * each transaction that has inserted. A program that does not know generations gets the error `SK001`, and waits.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CLOSED_GENERATION, LOCK_MS_MAX } from '#postgres';

const REGISTRY = `
CREATE TABLE sekali.key_generation (
  number integer NOT NULL,
  opened_at timestamptz,
  closed_at timestamptz,
  CONSTRAINT key_generation_number PRIMARY KEY (number)
);
COMMENT ON TABLE sekali.key_generation IS 'The tables of keys, from generation 0, event_key, to the youngest; empty before the first change';
COMMENT ON COLUMN sekali.key_generation.opened_at IS 'Null for generation 0';
COMMENT ON COLUMN sekali.key_generation.closed_at IS 'Null for the youngest generation, which takes the new keys';
`;

const REFUSE_KEYS = `
CREATE FUNCTION sekali.refuse_keys() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  RAISE EXCEPTION 'the generation of keys % is closed', TG_TABLE_NAME
    USING ERRCODE = '${CLOSED_GENERATION}', HINT = 'Start a program of this version, which inserts into the youngest generation.';
END
$body$;
COMMENT ON FUNCTION sekali.refuse_keys IS 'Keeps late keys out of a closed generation: an id must not be in two';
REVOKE ALL ON FUNCTION sekali.refuse_keys FROM PUBLIC;
`;

const MAKE_LIKENESS = `
CREATE FUNCTION sekali.make_likeness(made text, model text, parent text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  permitted record;
BEGIN
  EXECUTE format('CREATE TABLE sekali.%I (LIKE sekali.%I INCLUDING ALL)', made, model);
  IF parent IS NOT NULL THEN
    EXECUTE format('ALTER TABLE sekali.%I INHERIT sekali.%I', made, parent);
  END IF;
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
END
$body$;
REVOKE ALL ON FUNCTION sekali.make_likeness FROM PUBLIC;
`;

/** The same as before, but for the tables, which `make_likeness` creates. The right to call it stays as it is. */
const MAKE_INBOX = `
CREATE OR REPLACE FUNCTION sekali.make_inbox(consumer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  made text;
  model text;
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
    PERFORM sekali.make_likeness(made, model);
  END LOOP;
END
$body$;
`;

/** The trigger comes last, because from then on other transactions wait. A change of few rows takes milliseconds. */
const CHANGE_KEY_GENERATION = `
CREATE FUNCTION sekali.change_key_generation(consumer text, expected integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  keys text := CASE consumer WHEN 'store' THEN 'event_key' ELSE consumer || '_key' END;
  registry text := CASE consumer WHEN 'store' THEN 'key_generation' ELSE consumer || '_key_generation' END;
  youngest text := keys || CASE expected WHEN 0 THEN '' ELSE '_g' || expected END;
  current integer;
  is_filled boolean;
BEGIN
  IF consumer IS NULL OR expected IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR
     (consumer <> 'store' AND to_regclass(format('sekali.%I', consumer || '_attempt')) IS NULL)
  THEN
    RAISE EXCEPTION '"%" has no inbox whose keys could begin another generation', consumer USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365004);
  IF to_regclass(format('sekali.%I', registry)) IS NULL THEN
    PERFORM sekali.make_likeness(registry, 'key_generation');
  END IF;
  EXECUTE format('SELECT coalesce(max(number), 0) FROM sekali.%I', registry) INTO current;
  IF current <> expected THEN RETURN NULL; END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM ONLY sekali.%I)', youngest) INTO is_filled;
  IF NOT is_filled THEN RETURN NULL; END IF;
  IF expected >= 1000 THEN
    RAISE EXCEPTION 'the keys of "%" have 1,000 generations already', consumer USING ERRCODE = '54000';
  END IF;
  PERFORM sekali.make_likeness(format('%s_g%s', keys, expected + 1), keys, keys);
  IF expected = 0 THEN
    EXECUTE format('INSERT INTO sekali.%I (number) VALUES (0)', registry);
  END IF;
  EXECUTE format('UPDATE sekali.%I SET closed_at = clock_timestamp() WHERE number = $1', registry) USING expected;
  EXECUTE format('INSERT INTO sekali.%I (number, opened_at) VALUES ($1, clock_timestamp())', registry) USING expected + 1;
  EXECUTE format('CREATE TRIGGER closed BEFORE INSERT ON sekali.%I FOR EACH STATEMENT EXECUTE FUNCTION sekali.refuse_keys()',
    youngest);
  RETURN expected + 1;
END
$body$;
COMMENT ON FUNCTION sekali.change_key_generation IS 'Closes the youngest generation of keys and opens the next, whose number it returns; null when the youngest has no keys or another number';
REVOKE ALL ON FUNCTION sekali.change_key_generation FROM PUBLIC;
`;

/** Creates the registry of generations, and the function that changes them. No key is moved. */
export class KeyGenerations1732456800000 implements MigrationInterface {
  readonly name = 'KeyGenerations1732456800000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [REGISTRY, REFUSE_KEYS, MAKE_LIKENESS, MAKE_INBOX, CHANGE_KEY_GENERATION])
      await runner.query(statement);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
