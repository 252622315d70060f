/** When a gateway last wrote its counts of duplicates, so that those of gateways that have ended can be added up. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Gateways of the version before leave it null, and their rows are never added up. */
const UP = `
ALTER TABLE sekali.broker_duplicate ADD COLUMN written_at timestamptz;
COMMENT ON COLUMN sekali.broker_duplicate.written_at IS 'When the gateway last wrote the row; a gateway that has not written for days has ended, and its rows are added to those of ffffffff-ffff-ffff-ffff-ffffffffffff';
`;

/** Adds `written_at` to `sekali.broker_duplicate`. */
export class DuplicatesWritten1732630000000 implements MigrationInterface {
  readonly name = 'DuplicatesWritten1732630000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
