/**
 * The file of API keys that a deployment provides: `[{"key_id", "name", "scopes", "topics", "hash"}]`.
 *
 * It holds hashes, so it need not be secret. Errors name the place, never the value, because a user may have put a
 * token where the hash belongs.
 */
import { readFileSync } from 'node:fs';
import { SettingsError } from '#config';
import { apiKeyEntryErrors, type ApiKeyEntry } from '#contracts';

const SETTING = 'SEKALI_API_KEYS_FILE';

/**
 * Reads the keys of a file.
 *
 * @param path the file; `undefined` means no file
 * @returns the keys, empty without a file
 * @throws SettingsError which lists everything that is wrong with the file
 */
export function readKeyFile(path: string | undefined): ApiKeyEntry[] {
  if (path === undefined) return [];
  const entries = parse(path);
  if (!Array.isArray(entries)) throw new SettingsError([`${SETTING}: ${path} must be a JSON list of keys`]);
  const problems = entries.flatMap((entry, index) =>
    apiKeyEntryErrors(entry).map((error) => `${SETTING}: key ${index + 1}: ${error}`),
  );
  if (problems.length > 0) throw new SettingsError(problems);
  const keys = entries as ApiKeyEntry[];
  const ids = new Set(keys.map((key) => key.key_id));
  if (ids.size < keys.length) throw new SettingsError([`${SETTING}: ${path} has a key id twice`]);
  return keys;
}

function parse(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw new SettingsError([`${SETTING}: ${path} cannot be read (${code})`]);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message would show a part of the text.
    throw new SettingsError([`${SETTING}: ${path} is not JSON`]);
  }
}
