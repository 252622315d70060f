/** Creates, lists and revokes keys. A token is printed once, to standard output, and stored nowhere. */
import {
  apiKeyDefaultsError,
  apiKeyHash,
  apiKeyIdOf,
  newApiKeyToken,
  type ApiKeyDefaults,
  type ApiKeyEntry,
  type ApiKeyScope,
} from '#contracts';
import { insertApiKeys, listApiKeys, revokeApiKey, type ListedApiKey } from '#store';
import { CommandError, type ExitCode } from '../command-error.js';
import { columnTable, figureTable, notice, print, printJson } from '../output.js';
import { minuteOf, withDatabase } from '../target-database.js';
import type { TargetOptions } from '../target.js';

/** The options of a new key. */
export interface CreateOptions extends TargetOptions {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly topics?: readonly string[];
  readonly topic?: string;
  readonly source?: string;
  readonly idField?: string;
  readonly timeField?: string;
  readonly json?: boolean;
}

/** The options of the other two subcommands. */
export interface KeysOptions extends TargetOptions {
  readonly json?: boolean;
}

const KEYS = { name: 'sekali-keys', what: 'keys' };

/** Creates a key and prints its token. Throws `CommandError` (2) when the database does not take it. */
export async function createKey(options: CreateOptions): Promise<ExitCode> {
  const token = newApiKeyToken();
  const defaults = defaultsOf(options);
  const wrong = apiKeyDefaultsError(defaults, options.topics ?? null);
  if (wrong !== undefined) throw new CommandError(`${wrong}: see "sekali keys create --help"`, 2);
  const entry: ApiKeyEntry = {
    key_id: apiKeyIdOf(token) ?? '',
    name: options.name,
    scopes: options.scopes,
    topics: options.topics ?? null,
    hash: apiKeyHash(token),
    ...(defaults !== undefined && { defaults }),
  };
  const added = await withDatabase(options, KEYS, (database) => insertApiKeys(database, [entry]));
  // Sooner or later two of 2⁶⁴ ids are equal, and then the token would belong to another key.
  if (added.length === 0) throw new CommandError('the random id is already taken: try again');
  const { key_id, name, scopes, topics } = entry;
  if (options.json) {
    await printJson({ key_id, name, scopes, topics, defaults, token });
    return 0;
  }
  await print(
    figureTable([
      ['key id', key_id],
      ['name', name],
      ['scopes', scopes.join(', ')],
      ['topics', topicsText(topics)],
      ...Object.entries(defaults ?? {}).map(([field, value]): [string, string] => [
        `default ${field}`,
        String(value),
      ]),
    ]),
  );
  await print(`\n${token}`);
  notice('\nThis token is shown once: keep it now. Gateways take it within three seconds.');
  return 0;
}

/** `undefined` when none of the options was given. */
function defaultsOf({ topic, source, idField, timeField }: CreateOptions): ApiKeyDefaults | undefined {
  const defaults = {
    ...(topic !== undefined && { topic }),
    ...(source !== undefined && { source }),
    ...(idField !== undefined && { id_field: idField }),
    ...(timeField !== undefined && { time_field: timeField }),
  };
  return Object.keys(defaults).length === 0 ? undefined : defaults;
}

/** Lists every key. */
export async function listKeys(options: KeysOptions): Promise<ExitCode> {
  const keys = await withDatabase(options, KEYS, listApiKeys);
  if (options.json) {
    await printJson(keys);
  } else if (keys.length === 0) {
    await print('There is no key. Create one with "sekali keys create".');
  } else {
    const rows = keys.map((key) => [
      key.key_id,
      key.name,
      key.scopes.join(', '),
      topicsText(key.topics),
      minuteOf(key.created_at),
      key.revoked_at === null ? '' : minuteOf(key.revoked_at),
    ]);
    await print(columnTable(['key id', 'name', 'scopes', 'topics', 'made', 'revoked'], rows));
  }
  return 0;
}

/** Revokes a key. The exit code is 1 when no key has this id. A repeat is allowed. */
export async function revokeKey(keyId: string, options: KeysOptions): Promise<ExitCode> {
  const revoked: ListedApiKey | undefined = await withDatabase(options, KEYS, (database) =>
    revokeApiKey(database, keyId),
  );
  if (revoked === undefined) throw new CommandError(`there is no key ${keyId}: see "sekali keys list"`, 1);
  if (options.json) await printJson(revoked);
  else await print(`${keyId} (${revoked.name}) is revoked. Gateways refuse it within three seconds.`);
  return 0;
}

function topicsText(topics: readonly string[] | null): string {
  return topics?.join(', ') ?? 'all';
}
