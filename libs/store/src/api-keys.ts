/**
 * API keys in the database: they are added, listed, revoked, and read by gateways. A revoked key is never active again.
 */
import type { Queryable } from '#postgres';
import type { ApiKeyDefaults, ApiKeyEntry } from '#contracts';

/** A key as it is shown to people: without its hash, and with the times of its creation and revocation. */
export interface ListedApiKey extends Omit<ApiKeyEntry, 'hash'> {
  readonly created_at: Date;
  readonly revoked_at: Date | null;
}

const INSERT_KEYS = `
INSERT INTO sekali.api_key (key_id, name, scopes, topics, hash, defaults)
SELECT key_id, name, scopes, topics, hash, defaults
FROM jsonb_to_recordset($1::jsonb)
  AS new (key_id text, name text, scopes text[], topics text[], hash text, defaults jsonb)
ON CONFLICT (key_id) DO NOTHING
RETURNING key_id`;

/**
 * Adds the keys whose ids do not exist yet. An existing key stays as it is, revoked or not.
 *
 * @returns the ids of the keys that were added
 */
export async function insertApiKeys(database: Queryable, keys: readonly ApiKeyEntry[]): Promise<string[]> {
  const { rows } = await database.query<{ key_id: string }>(INSERT_KEYS, [JSON.stringify(keys)]);
  return rows.map((row) => row.key_id);
}

const ACTIVE_KEYS = `
SELECT key_id, name, scopes, topics, hash, defaults FROM sekali.api_key WHERE revoked_at IS NULL ORDER BY key_id`;

/**
 * Returns every key that is not revoked, with its hash.
 *
 * @throws an error that `isMissingTable` recognizes, where the schema is older than API keys
 */
export async function activeApiKeys(database: Queryable): Promise<ApiKeyEntry[]> {
  const { rows } = await database.query<WithDefaults<ApiKeyEntry>>(ACTIVE_KEYS);
  return rows.map(withoutNull);
}

const LIST_KEYS = `
SELECT key_id, name, scopes, topics, defaults, created_at, revoked_at FROM sekali.api_key ORDER BY created_at, key_id`;

/** Returns every key, also the revoked ones, oldest first. */
export async function listApiKeys(database: Queryable): Promise<ListedApiKey[]> {
  const { rows } = await database.query<WithDefaults<ListedApiKey>>(LIST_KEYS);
  return rows.map(withoutNull);
}

// The first revocation counts. A repeated one must not change its time.
const REVOKE_KEY = `
UPDATE sekali.api_key SET revoked_at = COALESCE(revoked_at, now()) WHERE key_id = $1
RETURNING key_id, name, scopes, topics, defaults, created_at, revoked_at`;

/**
 * Revokes a key. Repeating it changes nothing.
 *
 * @returns the key, `undefined` when no key has this id
 */
export async function revokeApiKey(database: Queryable, keyId: string): Promise<ListedApiKey | undefined> {
  const { rows } = await database.query<WithDefaults<ListedApiKey>>(REVOKE_KEY, [keyId]);
  return rows.map(withoutNull)[0];
}

/** A row, in which a key without defaults has `null`. */
type WithDefaults<T> = Omit<T, 'defaults'> & { readonly defaults: ApiKeyDefaults | null };

function withoutNull<T extends { readonly defaults: unknown }>({
  defaults,
  ...key
}: T): Omit<T, 'defaults'> & {
  defaults?: ApiKeyDefaults;
} {
  return defaults === null ? key : { ...key, defaults: defaults as ApiKeyDefaults };
}
