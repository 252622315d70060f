/**
 * Open minutes are merged after ten minutes, no longer after an hour. No transaction of a batch takes that long, and a
 * count that comes later nevertheless begins an open row again. A histogram of a day then reads a third less.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const MERGE_SOONER = `
DO $do$
DECLARE
  present text := pg_get_functiondef('sekali.roll_up_histogram(integer)'::regprocedure);
  changed text := replace(present, $old$('open', 'minute', interval '1 hour')$old$, $new$('open', 'minute', interval '10 minutes')$new$);
BEGIN
  IF changed = present THEN RAISE EXCEPTION 'roll_up_histogram does not merge open minutes after an hour'; END IF;
  EXECUTE changed;
END
$do$`;

/** Changes `roll_up_histogram`. */
export class SoonerMinutes1732700000032 implements MigrationInterface {
  readonly name = 'SoonerMinutes1732700000032';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(MERGE_SOONER);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
