/**
 * The filters of closed generations of keys, where every worker finds them.
 *
 * A filter is stored in parts of 256 KiB, all of them in one transaction. Its bits are random, so they are not
 * compressed. A filter belongs to one closing of a generation: a store that went back in time may close it once more,
 * with other keys.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const KEY_FILTER = `
CREATE TABLE sekali.key_filter (
  generation integer NOT NULL,
  part integer NOT NULL,
  closed_at timestamptz NOT NULL,
  keys bigint NOT NULL,
  words integer NOT NULL,
  checksum bigint NOT NULL,
  bits bytea STORAGE EXTERNAL NOT NULL,
  CONSTRAINT key_filter_part PRIMARY KEY (generation, part)
);
COMMENT ON TABLE sekali.key_filter IS 'Bloom filters of closed generations of keys, in parts; a worker builds a missing one';
COMMENT ON COLUMN sekali.key_filter.closed_at IS 'When the generation was closed';
COMMENT ON COLUMN sekali.key_filter.keys IS 'The keys in all parts';
COMMENT ON COLUMN sekali.key_filter.words IS 'The words of 32 bits in all parts';
COMMENT ON COLUMN sekali.key_filter.checksum IS 'The CRC-32 of bits';
`;

const MAKE_KEY_FILTER = `
CREATE FUNCTION sekali.make_key_filter(consumer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  IF consumer IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR
     to_regclass(format('sekali.%I', consumer || '_key_generation')) IS NULL
  THEN
    RAISE EXCEPTION '"%" has no generations of keys that need filters', consumer USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365004);
  IF to_regclass(format('sekali.%I', consumer || '_key_filter')) IS NULL THEN
    PERFORM sekali.make_likeness(consumer || '_key_filter', 'key_filter');
  END IF;
END
$body$;
COMMENT ON FUNCTION sekali.make_key_filter IS 'Makes the table of filters of a further consumer whose keys have generations, if it is missing';
REVOKE ALL ON FUNCTION sekali.make_key_filter FROM PUBLIC;
`;

/** Creates the table of filters, and the function that creates it for a further consumer. */
export class KeyFilters1732543600000 implements MigrationInterface {
  readonly name = 'KeyFilters1732543600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEY_FILTER);
    await runner.query(MAKE_KEY_FILTER);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
