/** The API key of a client: from the environment, or from a file that the environment names. */
import { readFileSync } from 'node:fs';
import { SettingsError, type ClientSettings } from './environment.js';

/**
 * The token of the client's settings, `undefined` when none is set. `SEKALI_API_KEY` wins over the file. White space
 * around the token is removed.
 *
 * @throws SettingsError when the file cannot be read; the message never contains the file's content
 */
export function readApiKey(
  settings: Pick<ClientSettings, 'SEKALI_API_KEY' | 'SEKALI_API_KEY_FILE'>,
): string | undefined {
  const { SEKALI_API_KEY: token, SEKALI_API_KEY_FILE: path } = settings;
  if (token !== undefined) return token.trim();
  if (path === undefined) return undefined;
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text !== '') return text;
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw new SettingsError([`SEKALI_API_KEY_FILE: ${path} cannot be read (${code})`]);
  }
  throw new SettingsError([`SEKALI_API_KEY_FILE: ${path} is empty`]);
}
