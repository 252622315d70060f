/**
 * Forgets ids by age: a closed generation of keys is emptied when all of its ids are older than their age.
 *
 *   closed ─ its keys are noted, step by step ─▶ emptied, and out of the registry ─ a day later ─▶ its table is dropped
 *
 * Three designs were considered for how the audit learns of it:
 *
 * - Noting and emptying in one transaction. Millions of keys take many seconds, in which no dead row of a counter could
 *   be removed, so every batch would become slower.
 * - Only a range of sequences for each generation. Duplicates and dead letters lie between, so a lost message would look
 *   like a forgotten one.
 * - Notes that count once the generation is emptied, which is in use. A step notes some keys, in a short transaction, and
 *   the last one only empties the table. Of each sequence a bit remains, and of each topic and day a count.
 *
 * A key goes only when nothing can need it: the payloads of its days are gone, its message has left the stream, and
 * everything up to it is settled. The messages of an incarnation that another stream has replaced cannot come again.
 *
 * Generation 0 is the parent of the others, so it stays as an empty table. The table of another one stays for a day:
 * a worker that has not read the registry since still looks there.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCK_MS_MAX } from '#postgres';

const TABLES = `
ALTER TABLE sekali.retention_age DROP CONSTRAINT retention_age_known;
ALTER TABLE sekali.retention_age
  ADD CONSTRAINT retention_age_known CHECK (kind IN ('duplicate', 'conflict', 'dead_letter', 'id'));

CREATE TABLE sekali.forgotten_generation (
  number integer NOT NULL,
  keys bigint NOT NULL DEFAULT 0,
  streams integer NOT NULL,
  stream_id integer NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT -9223372036854775808,
  forgotten_at timestamptz,
  dropped_at timestamptz,
  CONSTRAINT forgotten_generation_number PRIMARY KEY (number)
);
COMMENT ON TABLE sekali.forgotten_generation IS 'Generations of keys whose ids are forgotten by age, or are being noted for that';
COMMENT ON COLUMN sekali.forgotten_generation.keys IS 'How many of its keys are noted';
COMMENT ON COLUMN sekali.forgotten_generation.streams IS 'The newest stream id when noting began: with a newer one, keys may have moved, and noting begins again';
COMMENT ON COLUMN sekali.forgotten_generation.seq IS 'With stream_id, up to where its keys are noted';
COMMENT ON COLUMN sekali.forgotten_generation.forgotten_at IS 'When it was emptied; until then its notes do not count';
COMMENT ON COLUMN sekali.forgotten_generation.dropped_at IS 'When its empty table was dropped; generation 0 stays';

CREATE TABLE sekali.forgotten_sequence (
  generation integer NOT NULL,
  stream_id integer NOT NULL,
  block bigint NOT NULL,
  keys bit(1024) NOT NULL,
  CONSTRAINT forgotten_sequence_block PRIMARY KEY (stream_id, block, generation)
);
COMMENT ON TABLE sekali.forgotten_sequence IS 'The sequences of forgotten ids: bit n of a block is its sequence 1024 * block + n';

CREATE TABLE sekali.forgotten_id (
  generation integer NOT NULL,
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  ids bigint NOT NULL,
  CONSTRAINT forgotten_id_day PRIMARY KEY (stream_id, topic, day, generation)
);
COMMENT ON TABLE sekali.forgotten_id IS 'How many ids of a topic are forgotten, by the day in UTC on which their events were stored; counters still count them';
`;

// The newest key of each stream in a generation is found by index. An incarnation on which another is based ends for
// good at base_seq. Whole days are asked for, so the first row of a day that is still there answers.
const AGED_GENERATIONS = `
CREATE FUNCTION sekali.aged_generations() RETURNS TABLE (number integer, name text, kept_for text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  cutoff timestamptz := (
    SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'id');
  aged record;
  is_needed boolean;
BEGIN
  FOR aged IN
    SELECT generation.number, 'event_key' || CASE generation.number WHEN 0 THEN '' ELSE '_g' || generation.number END AS name, closed_at
    FROM sekali.key_generation generation WHERE closed_at < cutoff ORDER BY 1
  LOOP
    number := aged.number;
    name := aged.name;
    kept_for := NULL;
    IF EXISTS (SELECT FROM sekali.event WHERE stored_at < date_trunc('day', aged.closed_at, 'UTC') + interval '24 hours') THEN
      kept_for := 'payloads';
    ELSE
      EXECUTE format('
        WITH RECURSIVE newest (stream_id, seq) AS (
          (SELECT stream_id, seq FROM ONLY sekali.%1$I ORDER BY stream_id DESC, seq DESC LIMIT 1)
          UNION ALL
          SELECT older.stream_id, older.seq FROM newest CROSS JOIN LATERAL (
            SELECT stream_id, seq FROM ONLY sekali.%1$I key WHERE key.stream_id < newest.stream_id
            ORDER BY stream_id DESC, seq DESC LIMIT 1
          ) older
        )
        SELECT EXISTS (
          SELECT FROM newest
          LEFT JOIN sekali.stream own USING (stream_id)
          LEFT JOIN sekali.stream following ON following.base_stream_id = newest.stream_id
          LEFT JOIN sekali.stream_floor floor ON floor.stream_id = newest.stream_id
          WHERE NOT EXISTS (
            SELECT FROM sekali.stream replacing
            WHERE replacing.name = own.name AND replacing.created <> own.created AND replacing.stream_id > own.stream_id
          ) AND CASE
            WHEN following.stream_id IS NULL THEN newest.seq <= sekali.droppable_up_to(newest.stream_id)
            ELSE least(newest.seq, following.base_seq) < floor.seq
          END IS NOT TRUE
        )', aged.name) INTO is_needed;
      IF is_needed THEN kept_for := 'messages'; END IF;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.aged_generations IS 'Closed generations whose ids are all older than their age, with what still needs them: payloads, messages, or null for nothing';
REVOKE ALL ON FUNCTION sekali.aged_generations FROM PUBLIC;
`;

const AGED_IDS = `
CREATE FUNCTION sekali.aged_ids() RETURNS TABLE (generation integer, ids bigint, bytes bigint, kept_for text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  aged record;
BEGIN
  FOR aged IN SELECT * FROM sekali.aged_generations() LOOP
    generation := aged.number;
    kept_for := aged.kept_for;
    bytes := pg_total_relation_size(format('sekali.%I', aged.name)::regclass);
    EXECUTE format('SELECT count(*) FROM ONLY sekali.%I', aged.name) INTO ids;
    RETURN NEXT;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION sekali.aged_ids IS 'The ids that are older than their age, by generation, with what still needs them';
REVOKE ALL ON FUNCTION sekali.aged_ids FROM PUBLIC;
`;

/** The same as before, but for the bound: it is on the generations that there are, and numbers go on. */
const CHANGE_KEY_GENERATION = `
CREATE OR REPLACE FUNCTION sekali.change_key_generation(consumer text, expected integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
DECLARE
  keys text := CASE consumer WHEN 'store' THEN 'event_key' ELSE consumer || '_key' END;
  registry text := CASE consumer WHEN 'store' THEN 'key_generation' ELSE consumer || '_key_generation' END;
  youngest text := keys || CASE expected WHEN 0 THEN '' ELSE '_g' || expected END;
  current integer;
  generations integer;
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
  EXECUTE format('SELECT count(*) FROM sekali.%I', registry) INTO generations;
  IF generations > 1000 THEN
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
`;

// A generation ends by age too, or a small one would never be forgotten. Of generation 0, it is not known when it began.
// Inserts and lookups wait behind the lock, so each try is short. The caller tries again.
const FORGET_IDS = `
CREATE FUNCTION sekali.forget_ids(keys_max integer) RETURNS TABLE (generation integer, step text, ids bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = ${LOCK_MS_MAX}
AS $body$
#variable_conflict use_column
DECLARE
  due record;
  noted sekali.forgotten_generation;
  newest_stream integer := (SELECT max(stream_id) FROM sekali.stream);
  walked record;
  age integer := (SELECT days FROM sekali.retention_age WHERE kind = 'id');
  youngest integer := (SELECT coalesce(max(number), 0) FROM sekali.key_generation);
BEGIN
  IF keys_max NOT BETWEEN 1 AND 100000 OR keys_max IS NULL THEN
    RAISE EXCEPTION 'a step notes 1 to 100,000 keys, not %', keys_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT number, 'event_key_g' || number AS name INTO due FROM sekali.forgotten_generation
  WHERE number > 0 AND dropped_at IS NULL AND forgotten_at < now() - interval '24 hours' ORDER BY number LIMIT 1;
  IF FOUND THEN
    SET LOCAL lock_timeout = 200;
    EXECUTE format('DROP TABLE sekali.%I', due.name);
    UPDATE sekali.forgotten_generation SET dropped_at = clock_timestamp() WHERE number = due.number;
    RETURN QUERY SELECT due.number, 'dropped', 0::bigint;
    RETURN;
  END IF;
  IF age IS NOT NULL AND coalesce((SELECT opened_at FROM sekali.key_generation WHERE number = youngest), '-infinity')
    < now() - greatest(age / 8.0, 1) * interval '24 hours'
  THEN
    IF sekali.change_key_generation('store', youngest) IS NOT NULL THEN
      RETURN QUERY SELECT youngest, 'closed', 0::bigint;
      RETURN;
    END IF;
  END IF;
  SELECT number, name INTO due FROM sekali.aged_generations() WHERE kept_for IS NULL ORDER BY number LIMIT 1;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT * INTO noted FROM sekali.forgotten_generation WHERE number = due.number AND streams = newest_stream;
  IF NOT FOUND THEN
    DELETE FROM sekali.forgotten_sequence WHERE generation = due.number;
    DELETE FROM sekali.forgotten_id WHERE generation = due.number;
    DELETE FROM sekali.forgotten_generation WHERE number = due.number;
    INSERT INTO sekali.forgotten_generation (number, streams) VALUES (due.number, newest_stream) RETURNING * INTO noted;
  END IF;
  EXECUTE format('
    WITH walked AS MATERIALIZED (
      SELECT stream_id, seq, topic, stored_at FROM ONLY sekali.%I
      WHERE (stream_id, seq) > ($2, $3) ORDER BY stream_id, seq LIMIT $4
    ), marked AS (
      INSERT INTO sekali.forgotten_sequence AS known (generation, stream_id, block, keys)
      SELECT $1, stream_id, seq / 1024, bit_or(set_bit($5, (seq %% 1024)::integer, 1)) FROM walked GROUP BY 2, 3
      ON CONFLICT (stream_id, block, generation) DO UPDATE SET keys = known.keys | excluded.keys
    ), counted AS (
      INSERT INTO sekali.forgotten_id AS known (generation, stream_id, topic, day, ids)
      SELECT $1, stream_id, topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*) FROM walked GROUP BY 2, 3, 4
      ON CONFLICT (stream_id, topic, day, generation) DO UPDATE SET ids = known.ids + excluded.ids
    )
    SELECT stream_id, seq, (SELECT count(*) FROM walked) AS keys FROM walked ORDER BY 1 DESC, 2 DESC LIMIT 1', due.name)
    INTO walked USING due.number, noted.stream_id, noted.seq, keys_max, repeat('0', 1024)::bit(1024);
  IF walked.keys > 0 THEN
    UPDATE sekali.forgotten_generation SET keys = keys + walked.keys, stream_id = walked.stream_id, seq = walked.seq
    WHERE number = due.number;
    RETURN QUERY SELECT due.number, 'noted', walked.keys;
    RETURN;
  END IF;
  SET LOCAL lock_timeout = 200;
  PERFORM pg_advisory_xact_lock(7365004);
  EXECUTE format('LOCK TABLE ONLY sekali.%I IN ACCESS EXCLUSIVE MODE', due.name);
  -- Keys get another stream id only in a transaction that adds a stream.
  IF (SELECT max(stream_id) FROM sekali.stream) <> newest_stream THEN
    RETURN QUERY SELECT due.number, 'noted', 0::bigint;
    RETURN;
  END IF;
  EXECUTE format('TRUNCATE ONLY sekali.%I', due.name);
  DELETE FROM sekali.key_filter WHERE generation = due.number;
  DELETE FROM sekali.key_generation WHERE number = due.number;
  UPDATE sekali.forgotten_generation SET forgotten_at = clock_timestamp() WHERE number = due.number;
  RETURN QUERY SELECT due.number, 'forgotten', noted.keys;
END
$body$;
COMMENT ON FUNCTION sekali.forget_ids IS 'One step of forgetting ids by age: it begins another generation, notes keys of a closed one, empties one that is noted, or drops an empty table. No row when nothing is due, or another session drops';
REVOKE ALL ON FUNCTION sekali.forget_ids FROM PUBLIC;
`;

/** Creates the tables and functions. Without an age, no id is forgotten. */
export class ForgottenIds1732700000020 implements MigrationInterface {
  readonly name = 'ForgottenIds1732700000020';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, CHANGE_KEY_GENERATION, AGED_GENERATIONS, AGED_IDS, FORGET_IDS])
      await runner.query(statement);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
