/** API keys in the database: made, listed, revoked, and read by gateways. A revoked one is never active again. */
import type { Queryable } from '#postgres';
import type { ApiKeyEntry } from '#contracts';

/** A key for people to look at: without its hash, with its life. */
export interface ListedApiKey extends Omit<ApiKeyEntry, 'hash'> {
  readonly created_at: Date;
  readonly revoked_at: Date | null;
}

const INSERT_KEYS = `
INSERT INTO sekali.api_key (key_id, name, scopes, topics, hash)
SELECT key_id, name, scopes, topics, hash
FROM jsonb_to_recordset($1::jsonb) AS new (key_id text, name text, scopes text[], topics text[], hash text)
ON CONFLICT (key_id) DO NOTHING
RETURNING key_id`;

/**
 * Adds the keys that are not there yet; one that is there stays as it is, revoked or not.
 *
 * @returns the ids of those that were added
 */
export async function insertApiKeys(database: Queryable, keys: readonly ApiKeyEntry[]): Promise<string[]> {
  const { rows } = await database.query<{ key_id: string }>(INSERT_KEYS, [JSON.stringify(keys)]);
  return rows.map((row) => row.key_id);
}

const ACTIVE_KEYS = `
SELECT key_id, name, scopes, topics, hash FROM sekali.api_key WHERE revoked_at IS NULL ORDER BY key_id`;

/** Every key that is not revoked, with its hash. Fails with SQLSTATE 42P01 where the schema is older than keys. */
export async function activeApiKeys(database: Queryable): Promise<ApiKeyEntry[]> {
  const { rows } = await database.query<ApiKeyEntry>(ACTIVE_KEYS);
  return rows;
}

const LIST_KEYS = `
SELECT key_id, name, scopes, topics, created_at, revoked_at FROM sekali.api_key ORDER BY created_at, key_id`;

/** Every key there ever was, oldest first. */
export async function listApiKeys(database: Queryable): Promise<ListedApiKey[]> {
  const { rows } = await database.query<ListedApiKey>(LIST_KEYS);
  return rows;
}

// The first revocation counts: one that is repeated must not look like a later one.
const REVOKE_KEY = `
UPDATE sekali.api_key SET revoked_at = COALESCE(revoked_at, now()) WHERE key_id = $1
RETURNING key_id, name, scopes, topics, created_at, revoked_at`;

/** Revokes a key; repeating it changes nothing. @returns the key, `undefined` when there is none of this id */
export async function revokeApiKey(database: Queryable, keyId: string): Promise<ListedApiKey | undefined> {
  const { rows } = await database.query<ListedApiKey>(REVOKE_KEY, [keyId]);
  return rows[0];
}
