/**
 * The functions of one inbox in the database that change the generation of its keys.
 *
 * A service should not own its tables, and only an owner may create the next one. So the owner creates a function with
 * the inbox, and a service that may execute it begins generations by itself. Two other designs were considered. A role
 * that owns the tables could drop them. A change by the owner's own step would come with an upgrade, and so too late.
 *
 * Each inbox has functions of its own, because inboxes of one schema may have different owners. They are all that an
 * inbox with few keys has of generations: the first change creates the registry and the table of filters.
 */
import { CLOSED_GENERATION, LOCK_MS_MAX } from '#postgres';
import type { InboxTables, TablesWithGenerations } from './inbox-tables.js';

/** More of them would be a mistake in a setting: each may be asked for an id. */
const GENERATIONS_MAX = 1_000;

/** Returns the function that closes a generation, for the tables of `inboxTables`. */
export function changeFunction({ key }: Pick<InboxTables, 'key'>): string {
  return key.replace(/_key"$/, '_change_key_generation"');
}

function refuseFunction({ key }: Pick<InboxTables, 'key'>): string {
  return key.replace(/_key"$/, '_refuse_keys"');
}

/** Returns the statements that create the functions of an inbox. */
export function generationFunctions(tables: TablesWithGenerations): string[] {
  const [change, refuse] = [changeFunction(tables), refuseFunction(tables)];
  return [
    `
CREATE FUNCTION ${refuse}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  RAISE EXCEPTION 'the generation of keys % is closed', TG_TABLE_NAME
    USING ERRCODE = '${CLOSED_GENERATION}', HINT = 'Start a program that knows generations of keys.';
END
$body$`,
    `
CREATE FUNCTION ${change}(expected integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = ${LOCK_MS_MAX} AS $body$
${bodyOf(tables)}
$body$`,
    `REVOKE ALL ON FUNCTION ${refuse}(), ${change}(integer) FROM PUBLIC`,
  ];
}

/** The trigger comes last, because from then on other transactions wait. */
function bodyOf(tables: TablesWithGenerations): string {
  const { key, keyGeneration, keyFilter, stream } = tables;
  const numbered = key.replace(/"$/, '_g%s"');
  return `
DECLARE
  youngest text := CASE expected WHEN 0 THEN '${key}' ELSE format('${numbered}', expected) END;
  next text := format('${numbered}', expected + 1);
  likenesses text[] := ARRAY[ARRAY['${key}', next]];
  current integer := 0;
  is_filled boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('generations of ${key}', 0));
  IF to_regclass('${keyGeneration}') IS NOT NULL THEN
    EXECUTE 'SELECT coalesce(max(number), 0) FROM ${keyGeneration}' INTO current;
  END IF;
  IF current IS DISTINCT FROM expected THEN RETURN NULL; END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', youngest) INTO is_filled;
  IF NOT is_filled THEN RETURN NULL; END IF;
  IF expected >= ${GENERATIONS_MAX} THEN
    RAISE EXCEPTION '% has ${GENERATIONS_MAX} generations already', '${key}' USING ERRCODE = '54000';
  END IF;
  IF to_regclass('${keyGeneration}') IS NULL THEN
    CREATE TABLE ${keyGeneration} (number integer PRIMARY KEY, opened_at timestamptz, closed_at timestamptz);
    INSERT INTO ${keyGeneration} (number) VALUES (0);
    likenesses := likenesses || ARRAY['${stream}', '${keyGeneration}'];
  END IF;
  IF to_regclass('${keyFilter}') IS NULL THEN
    CREATE TABLE ${keyFilter} (generation integer NOT NULL, part integer NOT NULL, closed_at timestamptz NOT NULL,
      keys bigint NOT NULL, words integer NOT NULL, checksum bigint NOT NULL, bits bytea STORAGE EXTERNAL NOT NULL,
      PRIMARY KEY (generation, part));
    likenesses := likenesses || ARRAY['${stream}', '${keyFilter}'];
  END IF;
  EXECUTE format('CREATE TABLE %s (LIKE ${key} INCLUDING ALL)', next);
  EXECUTE format('ALTER TABLE %s INHERIT ${key}', next);
${GRANTS}
  UPDATE ${keyGeneration} SET closed_at = clock_timestamp() WHERE number = expected;
  INSERT INTO ${keyGeneration} (number, opened_at) VALUES (expected + 1, clock_timestamp());
  EXECUTE format('CREATE TRIGGER closed BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION ${refuseFunction(tables)}()',
    youngest);
  RETURN expected + 1;
END`;
}

/** Who may do what with the model, or with a column of it, may do it with its likeness. */
const GRANTS = `
  DECLARE
    pair text[];
    permission text;
  BEGIN
    FOREACH pair SLICE 1 IN ARRAY likenesses LOOP
      FOR permission IN
        SELECT format('GRANT %s ON %s TO %I', privilege, pair[2], pg_get_userbyid(grantee))
        FROM (
          SELECT privilege_type AS privilege, grantee
          FROM pg_class, aclexplode(relacl)
          WHERE oid = pair[1]::regclass AND grantee <> relowner AND grantee <> 0
          UNION ALL
          SELECT format('%s (%I)', privilege_type, attname), grantee
          FROM pg_attribute, aclexplode(attacl)
          WHERE attrelid = pair[1]::regclass AND NOT attisdropped AND grantee <> 0
        ) permitted
      LOOP
        EXECUTE permission;
      END LOOP;
    END LOOP;
  END;`;
