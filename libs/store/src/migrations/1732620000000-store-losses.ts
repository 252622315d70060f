/**
 * What the database lost when it went back in time, and up to where further consumers have settled everything.
 *
 * Both tables are new and empty, so no program of the version before meets them.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.store_loss (
  loss_id bigint GENERATED ALWAYS AS IDENTITY,
  consumer text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  missing bigint NOT NULL,
  published_at timestamptz NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT now(),
  restored_at timestamptz,
  CONSTRAINT store_loss_pkey PRIMARY KEY (loss_id)
);
COMMENT ON TABLE sekali.store_loss IS 'Each time that an inbox lacked what its consumer had acknowledged, because the database went back in time';
COMMENT ON COLUMN sekali.store_loss.first_seq IS 'Everything from here on is delivered again';
COMMENT ON COLUMN sekali.store_loss.last_seq IS 'The last sequence that was acknowledged by then';
COMMENT ON COLUMN sekali.store_loss.missing IS 'How many sequences from the first to the last had no row';
COMMENT ON COLUMN sekali.store_loss.published_at IS 'When the message under the first sequence was published';
COMMENT ON COLUMN sekali.store_loss.restored_at IS 'When every one of them had its row again; null until then';
CREATE TABLE sekali.further_horizon (
  consumer text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT further_horizon_pkey PRIMARY KEY (consumer, stream_id)
);
COMMENT ON TABLE sekali.further_horizon IS 'The same as the table horizon, for the inboxes of further consumers';
`;

/** Creates `sekali.store_loss` and `sekali.further_horizon`. */
export class StoreLosses1732620000000 implements MigrationInterface {
  readonly name = 'StoreLosses1732620000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
