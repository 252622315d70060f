/** The secret of the digests in message ids. Gateways share it, and no other program reads it. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

// Two random UUIDs have 244 random bits. The database draws them, so that programs of two versions that set up at the
// same time cannot draw two secrets.
const UP = `
CREATE TABLE sekali.message_id_secret (
  single boolean NOT NULL DEFAULT true,
  secret text NOT NULL,
  CONSTRAINT message_id_secret_pkey PRIMARY KEY (single),
  CONSTRAINT message_id_secret_single CHECK (single)
);
COMMENT ON TABLE sekali.message_id_secret IS 'What the digests in the message ids of gateways are keyed with: whoever knows it can have events dropped';
INSERT INTO sekali.message_id_secret (secret)
VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
`;

/** Creates `sekali.message_id_secret` with its one row. */
export class MessageIdSecret1732536000000 implements MigrationInterface {
  readonly name = 'MessageIdSecret1732536000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
