/** API keys of the gateway. Only the hash of a token is kept, so that a reader of the table can use none. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.api_key (
  key_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  topics text[],
  hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  CONSTRAINT api_key_id PRIMARY KEY (key_id),
  CONSTRAINT api_key_hash CHECK (hash ~ '^[0-9a-f]{64}$'),
  CONSTRAINT api_key_scopes CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['publish', 'read', 'admin']),
  CONSTRAINT api_key_topics CHECK (cardinality(topics) > 0)
);
COMMENT ON TABLE sekali.api_key IS 'Rows stay after they are revoked, so that nothing brings a revoked key back';
COMMENT ON COLUMN sekali.api_key.topics IS 'Topics, and prefixes that end in .>; null is all topics';
COMMENT ON COLUMN sekali.api_key.hash IS 'SHA-256 of the whole token: 32 random bytes need no slow hash';
`;

/** Creates `sekali.api_key`. */
export class ApiKeys1732320000000 implements MigrationInterface {
  readonly name = 'ApiKeys1732320000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose the keys. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
