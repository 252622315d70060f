/** Databases with millions of keys, next to the environment's own, which is empty. */
import { SEKALI_LEDGER } from '#store';
import type { Environment } from '../environment/environment.js';
import { openPool } from './drain.js';
import { type StoredKeys, storeKeys } from './stored-keys.js';

/** The stream of the stored keys. No broker has it. */
const PAST_STREAM = { name: 'PAST', identity: '2026-01-01T00:00:00Z' };

/**
 * The environment's database with these keys. The first call creates and fills it.
 *
 * @returns its URL, and how long filling took in milliseconds, if this call filled it
 */
export async function fullDatabase(
  environment: Environment,
  stored: Omit<StoredKeys, 'streamId'>,
  onProgress: (line: string) => void = () => undefined,
): Promise<{ readonly url: string; readonly filledMs: number | undefined }> {
  const { keys, ids = 'ordered', hasEvents = true } = stored;
  const name = `sekali_full_${keys}_${ids}${hasEvents ? '' : '_keys'}`;
  const { url, isNew } = await environment.database(name);
  if (!isNew) return { url, filledMs: undefined };
  const pool = openPool(url);
  try {
    const startedMs = performance.now();
    const { streamId } = await SEKALI_LEDGER.registry.of(pool, PAST_STREAM);
    await storeKeys(pool, { ...stored, streamId }, onProgress);
    return { url, filledMs: performance.now() - startedMs };
  } finally {
    await pool.end();
  }
}
