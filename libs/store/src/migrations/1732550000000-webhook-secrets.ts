/** Secrets with which the deliveries of webhooks are verified. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.webhook_secret (
  secret_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  topic text COLLATE "C" NOT NULL,
  provider text NOT NULL,
  source text NOT NULL,
  secret text,
  tolerance_seconds integer NOT NULL,
  headers text[] NOT NULL,
  rules jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  CONSTRAINT webhook_secret_pkey PRIMARY KEY (secret_id),
  CONSTRAINT webhook_secret_provider CHECK (provider IN ('standard', 'github', 'stripe', 'shopify', 'hmac')),
  CONSTRAINT webhook_secret_rules CHECK ((provider = 'hmac') = (rules IS NOT NULL)),
  CONSTRAINT webhook_secret_secret CHECK (secret <> '' AND (secret IS NULL) = (revoked_at IS NOT NULL)),
  CONSTRAINT webhook_secret_tolerance CHECK (tolerance_seconds > 0)
);
COMMENT ON TABLE sekali.webhook_secret IS 'Who may sign deliveries to a topic. Several rows of a topic are valid at a time, so that a secret can be changed';
COMMENT ON COLUMN sekali.webhook_secret.secret IS 'As it is, because an HMAC cannot be verified with a hash of its key; null once it is revoked';
COMMENT ON COLUMN sekali.webhook_secret.rules IS 'How a sender signs that is none of the known ones';
`;

/** Creates `sekali.webhook_secret`. */
export class WebhookSecrets1732550000000 implements MigrationInterface {
  readonly name = 'WebhookSecrets1732550000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose the secrets. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
