/** Marks of what the brokers promised to gateways. They remain when the brokers lose it. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.promise (
  gateway uuid NOT NULL,
  number bigint NOT NULL,
  stream text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  acked_at timestamptz NOT NULL,
  CONSTRAINT promise_number PRIMARY KEY (gateway, number)
);
COMMENT ON TABLE sekali.promise IS 'The last event that the brokers acknowledged in each moment, kept for an hour: the audit looks for it';
`;

/** Creates `sekali.promise`. */
export class Promises1732410000000 implements MigrationInterface {
  readonly name = 'Promises1732410000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose the marks. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
