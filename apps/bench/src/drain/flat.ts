/**
 * Whether draining stays as fast when the database is full: one round drains into an empty database, the next into one
 * with millions of keys.
 *
 * Both databases are on the same server, and the same worker drains into them in alternate rounds. What a round stored
 * is deleted after it, so that each round begins with the same rows.
 */
import type { Pool } from 'pg';
import { SEKALI_LEDGER } from '#store';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { IdForm } from '../environment/event-sequence.js';
import type { Environment } from '../environment/environment.js';
import { type DrainOptions, withDrainFixture, openPool, measureRounds, WORKER_SCRIPT } from './drain.js';
import type { DrainFixture, DrainSubject } from './drain-round.js';
import { checkLedger, emptyLedger, forgetStream } from './ledger.js';
import { storeKeys } from './stored-keys.js';

const FULL_DATABASE = 'sekali_full';
/** The stream of the stored keys. No broker has it. */
const PAST_STREAM = { name: 'PAST', identity: '2026-01-01T00:00:00Z' };

/** Options of this group. */
export interface FlatOptions extends DrainOptions {
  /** Form of the ids that are stored and drained; `ordered` when left out. */
  readonly ids?: IdForm | undefined;
}

/**
 * Measures the worker on both databases: 'ours' is the full one, 'ceiling' the empty one.
 *
 * The full database stays in the environment for the queries, because `fullDatabase` creates it only once.
 */
export async function measureFlat(
  environment: Environment,
  sizes: Sizes,
  options: FlatOptions = {},
): Promise<Group> {
  const { ids = 'ordered', onProgress } = options;
  const url = await fullDatabase(environment, sizes.storedKeys, { ids, ...(onProgress && { onProgress }) });
  const full = openPool(url);
  try {
    const plan = { messages: sizes.backlog, duplicateShare: 0, ids };
    const series = await withDrainFixture(environment, plan, options, (fixture) =>
      measureRounds(fixture, subjectsOf(fixture, { pool: full, url }, sizes, options), sizes, options),
    );
    return {
      name: 'flat',
      what: `drain next to ${sizes.storedKeys.toLocaleString('en')} stored keys`,
      series,
      targets: [{ against: 'ceiling', atLeast: 0.8 }],
    };
  } finally {
    await full.end();
  }
}

/** The environment's database with this many keys. The first call creates and fills it. @returns its URL */
export async function fullDatabase(
  environment: Environment,
  keys: number,
  { ids = 'ordered', onProgress }: { ids?: IdForm; onProgress?: (line: string) => void } = {},
): Promise<string> {
  const name = `${FULL_DATABASE}_${keys}_${ids}`;
  const { url, isNew } = await environment.database(name);
  if (!isNew) return url;
  const pool = openPool(url);
  try {
    const { streamId } = await SEKALI_LEDGER.registry.of(pool, PAST_STREAM);
    await storeKeys(pool, { streamId, keys, ids }, (stored) =>
      onProgress?.(`filling the database: ${stored} of ${keys} keys`),
    );
  } finally {
    await pool.end();
  }
  return url;
}

function subjectsOf(
  { pool, backlog }: DrainFixture,
  full: { readonly pool: Pool; readonly url: string },
  sizes: Sizes,
  { workerVariables = {} }: FlatOptions,
): DrainSubject[] {
  const worker = { script: WORKER_SCRIPT, messages: backlog.messages };
  return [
    {
      ...worker,
      role: 'ours',
      subject: `sekali worker, ${sizes.storedKeys.toLocaleString('en')} keys stored`,
      variables: { ...workerVariables, SEKALI_POSTGRES_URL: full.url },
      prepare: () => forgetStream(full.pool, backlog),
      check: () => checkLedger(full.pool, backlog),
    },
    {
      ...worker,
      role: 'ceiling',
      subject: 'sekali worker, empty database',
      variables: workerVariables,
      prepare: () => emptyLedger(pool),
      check: () => checkLedger(pool, backlog),
    },
  ];
}
