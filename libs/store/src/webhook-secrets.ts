/**
 * Secrets of webhooks in the database: they are added, listed, revoked, and read by gateways.
 *
 * Three places were considered for them:
 *
 *   a file of mode 600 at each gateway    every gateway needs the same one, and a change needs a hand at each
 *   a table, encrypted with a key         the key would be such a file again, for one more secret to lose
 *   a table, as they are                  chosen: all gateways know a change within seconds
 *
 * Only the role of the gateways and the owner of the schema may read the table, as with the secret of message ids.
 * A backup has the secrets in it. With one of them, deliveries to its topic can be forged, and nothing else: the owner
 * of the database or of a backup could write events anyway. Revoking a secret erases it.
 */
import type { Queryable } from '#postgres';
import { WEBHOOK_SECRETS_PER_TOPIC_MAX, type WebhookSecret } from '#contracts';

/** A secret as it is shown to people: without itself, and with the times of its creation and revocation. */
export interface ListedWebhookSecret extends Omit<WebhookSecret, 'secret'> {
  readonly created_at: Date;
  readonly revoked_at: Date | null;
}

// Two that are added at the same moment may both pass. The bound limits what a delivery costs, so one more is harmless.
const INSERT_SECRET = `
INSERT INTO sekali.webhook_secret (secret_id, name, topic, provider, source, secret, tolerance_seconds, headers, rules)
SELECT secret_id, name, topic, provider, source, secret, tolerance_seconds, headers, rules
FROM jsonb_to_record($1::jsonb)
  AS new (secret_id text, name text, topic text, provider text, source text, secret text, tolerance_seconds integer, headers text[], rules jsonb)
WHERE $2 > (SELECT count(*) FROM sekali.webhook_secret other WHERE other.topic = new.topic AND revoked_at IS NULL)
RETURNING secret_id`;

/**
 * Adds a secret.
 *
 * @returns false when the topic has `WEBHOOK_SECRETS_PER_TOPIC_MAX` valid ones already; then nothing was added
 */
export async function insertWebhookSecret(database: Queryable, secret: WebhookSecret): Promise<boolean> {
  const { rows } = await database.query(INSERT_SECRET, [
    JSON.stringify(secret),
    WEBHOOK_SECRETS_PER_TOPIC_MAX,
  ]);
  return rows.length > 0;
}

const ACTIVE_SECRETS = `
SELECT secret_id, name, topic, provider, source, secret, tolerance_seconds, headers, rules
FROM sekali.webhook_secret WHERE revoked_at IS NULL ORDER BY created_at, secret_id`;

/**
 * Returns every secret that is not revoked, oldest first.
 *
 * @throws an error that `isMissingTable` recognizes, where the schema is older than webhooks
 */
export async function activeWebhookSecrets(database: Queryable): Promise<WebhookSecret[]> {
  const { rows } = await database.query<WebhookSecret>(ACTIVE_SECRETS);
  return rows;
}

const LISTED = `secret_id, name, topic, provider, source, tolerance_seconds, headers, rules, created_at, revoked_at`;

const LIST_SECRETS = `SELECT ${LISTED} FROM sekali.webhook_secret ORDER BY created_at, secret_id`;

/** Returns every secret, also the revoked ones, oldest first. */
export async function listWebhookSecrets(database: Queryable): Promise<ListedWebhookSecret[]> {
  const { rows } = await database.query<ListedWebhookSecret>(LIST_SECRETS);
  return rows;
}

// The first revocation counts. A repeated one must not change its time.
const REVOKE_SECRET = `
UPDATE sekali.webhook_secret SET revoked_at = COALESCE(revoked_at, now()), secret = NULL WHERE secret_id = $1
RETURNING ${LISTED}`;

/**
 * Revokes a secret, and erases it. Repeating it changes nothing.
 *
 * @returns the secret, `undefined` when none has this id
 */
export async function revokeWebhookSecret(
  database: Queryable,
  secretId: string,
): Promise<ListedWebhookSecret | undefined> {
  const { rows } = await database.query<ListedWebhookSecret>(REVOKE_SECRET, [secretId]);
  return rows[0];
}
