/**
 * Whether draining stays as fast when much is stored already: into an empty database, and into one that holds millions.
 *
 * Both are databases of the same server, drained by the same worker, taking turns. What a round stored is taken out
 * again after it, so that each begins with as much.
 */
import type { Pool } from 'pg';
import { streamIdOf } from '#store';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { IdForm } from '../stage/event-sequence.js';
import type { Stage } from '../stage/stage.js';
import { type DrainOptions, onGround, openPool, takeTurns, WORKER_SCRIPT } from './drain.js';
import type { DrainGround, DrainSubject } from './drain-round.js';
import { checkLedger, emptyLedger, forgetStream } from './ledger.js';
import { storeKeys } from './stored-keys.js';

const FULL_DATABASE = 'sekali_full';
/** The stream that the stored keys came from; no broker has it. */
const PAST_STREAM = { name: 'PAST', identity: '2026-01-01T00:00:00Z' };

/** What can be told besides. */
export interface FlatOptions extends DrainOptions {
  /** Form of the ids, stored and drained; `ordered` when left out. */
  readonly ids?: IdForm | undefined;
}

/**
 * Measures the worker on both databases: 'ours' is the full one, 'ceiling' the empty one.
 *
 * Leaves the full database on the stage for whoever measures queries: `fullDatabase` makes it once.
 */
export async function measureFlat(stage: Stage, sizes: Sizes, options: FlatOptions = {}): Promise<Group> {
  const { ids = 'ordered', onProgress } = options;
  const url = await fullDatabase(stage, sizes.storedKeys, { ids, ...(onProgress && { onProgress }) });
  const full = openPool(url);
  try {
    const plan = { messages: sizes.backlog, duplicateShare: 0, ids };
    const series = await onGround(stage, plan, options, (ground) =>
      takeTurns(ground, subjectsOf(ground, { pool: full, url }, sizes, options), sizes, options),
    );
    return {
      name: 'flat',
      what: `drain beside ${sizes.storedKeys.toLocaleString('en')} stored keys`,
      series,
      targets: [{ against: 'ceiling', atLeast: 0.8 }],
    };
  } finally {
    await full.end();
  }
}

/** The database of a stage that holds so many keys, made and filled at the first call. @returns its URL */
export async function fullDatabase(
  stage: Stage,
  keys: number,
  { ids = 'ordered', onProgress }: { ids?: IdForm; onProgress?: (line: string) => void } = {},
): Promise<string> {
  const name = `${FULL_DATABASE}_${keys}_${ids}`;
  const { url, isNew } = await stage.database(name);
  if (!isNew) return url;
  const pool = openPool(url);
  try {
    const streamId = await streamIdOf(pool, PAST_STREAM);
    await storeKeys(pool, { streamId, keys, ids }, (stored) =>
      onProgress?.(`filling the database: ${stored} of ${keys} keys`),
    );
  } finally {
    await pool.end();
  }
  return url;
}

function subjectsOf(
  { pool, backlog }: DrainGround,
  full: { readonly pool: Pool; readonly url: string },
  sizes: Sizes,
  { workerEnvironment = {} }: FlatOptions,
): DrainSubject[] {
  const worker = { script: WORKER_SCRIPT, messages: backlog.messages };
  return [
    {
      ...worker,
      role: 'ours',
      subject: `sekali worker, ${sizes.storedKeys.toLocaleString('en')} keys stored`,
      environment: { ...workerEnvironment, SEKALI_POSTGRES_URL: full.url },
      prepare: () => forgetStream(full.pool, backlog),
      check: () => checkLedger(full.pool, backlog),
    },
    {
      ...worker,
      role: 'ceiling',
      subject: 'sekali worker, empty database',
      environment: workerEnvironment,
      prepare: () => emptyLedger(pool),
      check: () => checkLedger(pool, backlog),
    },
  ];
}
