/**
 * The file of API keys that a deployment brings along: `[{"key_id", "name", "scopes", "topics", "hash"}]`.
 *
 * It holds hashes, so it is no secret. What is wrong with it is told by place, never by value: somebody may have put
 * a token where the hash belongs.
 */
import { readFileSync } from 'node:fs';
import { SettingsError } from '#config';
import { apiKeyEntryErrors, type ApiKeyEntry } from '#contracts';

const SETTING = 'SEKALI_API_KEYS_FILE';

/** The keys in a file, none when there is no file to read. Throws `SettingsError` with everything that is wrong. */
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
    // The parser's own message shows a piece of the text.
    throw new SettingsError([`${SETTING}: ${path} is not JSON`]);
  }
}
