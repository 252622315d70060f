/**
 * Whether draining stays as fast when the database is full: one round drains into an empty database, the next into one
 * with millions of keys.
 *
 * Both databases are on the same server, and the same worker drains into them in alternate rounds. What a round stored
 * is deleted after it, so that each round begins with the same rows.
 *
 * Ids that grow with time come first, then random ones, which are the hardest for an index. The last loads leave Postgres
 * a tenth of the keys' bytes as memory, with the pages that the system caches. The empty database always has all memory.
 */
import type { Pool } from 'pg';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import { fillBacklog, type Backlog } from '../environment/backlog.js';
import type { BacklogPlan } from '../environment/event-sequence.js';
import type { Environment } from '../environment/environment.js';
import { type DrainOptions, withDrainFixture, openPool, measureRounds, workerSubject } from './drain.js';
import type { DrainFixture, DrainSubject } from './drain-round.js';
import type { FlatLoad } from './flat-loads.js';
import { fullDatabase } from './full-database.js';
import { keyBytes } from './key-tables.js';
import { forgetStream } from './ledger.js';
import { settleFilters, type SettledFilters } from './settled-filters.js';

const REPEATED_SHARE = 0.3;
const MEMORY_SHARE = 0.1;
/** Postgres itself needs this much: its buffers have 128 MiB. */
const MEMORY_BYTES_MIN = 268_435_456;

/** Options of one load. */
export interface FlatOptions extends DrainOptions {
  readonly load: FlatLoad;
}

/** The database with the stored keys, and the bound on the memory of Postgres while it is drained into. */
interface FullDatabase {
  readonly pool: Pool;
  readonly url: string;
  /** Sets the bound of the load, or removes it. */
  readonly bound: (isBounded: boolean) => Promise<void>;
}

/**
 * Measures the worker on both databases: 'ours' is the full one, 'ceiling' the empty one. The ceiling of repeats of old
 * events is as many repeats of recent ones, because an empty database has no old ones.
 *
 * @returns no group for a load with bounded memory, where this machine does not allow a bound
 */
export async function measureFlat(
  environment: Environment,
  sizes: Sizes,
  options: FlatOptions,
): Promise<Group[]> {
  const { load, onProgress = () => undefined, workerVariables = {} } = options;
  // Pages that Postgres reads from now on are in the group.
  const memory = environment.postgresMemory();
  if (load.isBounded && memory === undefined) return [];
  const stored = { keys: sizes.drainedKeys, ids: load.ids, hasEvents: false };
  const { url, filledMs } = await fullDatabase(environment, stored, onProgress);
  const settled = await settleFilters(url, workerVariables, onProgress);
  const pool = openPool(url);
  try {
    const keys = await keyBytes(pool);
    const limit = Math.max(MEMORY_BYTES_MIN, Math.round(keys * MEMORY_SHARE));
    const bound = async (isBounded: boolean): Promise<void> => memory?.limit(isBounded ? limit : undefined);
    const full = { pool, url, bound };
    const plan = planOf(load, sizes, load.repeats === 'old' ? sizes.drainedKeys : undefined);
    const series = await withDrainFixture(environment, plan, options, async (fixture) => {
      const subjects = await subjectsOf(fixture, full, sizes, options);
      const measured = await measureRounds(fixture, subjects, sizes, options);
      // The backlog of the next load may have the same ids.
      await forgetStream(pool, fixture.backlog);
      return measured;
    });
    const notes = [
      ...(filledMs === undefined ? [] : [fillingNote(sizes.drainedKeys, filledMs, keys, settled)]),
      ...(load.isBounded ? [`Postgres and its pages had ${megabytes(limit)} MB; ${MEMORY_NOTE}.`] : []),
      ...(memory === undefined && load.ids === 'random'
        ? [`Without bounded memory: ${UNBOUNDED_NOTE}.`]
        : []),
    ];
    return [
      {
        name: load.name,
        what: whatOf(load, sizes),
        series,
        targets: load.targets,
        ...(notes.length > 0 && { notes }),
      },
    ];
  } finally {
    await memory?.limit(undefined);
    await pool.end();
  }
}

const MEMORY_NOTE = `that is a tenth of the keys' bytes, and at least ${megabytes(MEMORY_BYTES_MIN)} MB, which Postgres itself needs`;
const UNBOUNDED_NOTE =
  'this machine lets no memory cgroup be created, so the rows with a tenth of the memory are left out';

function megabytes(bytes: number): string {
  return Math.round(bytes / 1e6).toLocaleString('en');
}

function fillingNote(keys: number, filledMs: number, bytes: number, settled: SettledFilters): string {
  const seconds = Math.round(filledMs / 1_000);
  return (
    `Storing ${keys.toLocaleString('en')} keys took ${seconds} s before that; they have ${megabytes(bytes)} MB ` +
    `in ${generationsText(settled)}.`
  );
}

function generationsText({ generations, filters, bytes }: SettledFilters): string {
  if (generations === 1) return 'one table';
  return `${generations} generations; filters in the memory of a worker: ${filters}, with ${megabytes(bytes)} MB`;
}

function whatOf({ ids, repeats, isBounded }: FlatLoad, { drainedKeys }: Sizes): string {
  return [
    `drain next to ${drainedKeys.toLocaleString('en')} stored keys, ${ids} ids`,
    ...(repeats === 'none' ? [] : [`30 % repeats of ${repeats === 'old' ? 'stored' : 'recent'} events`]),
    ...(isBounded ? ['a tenth as memory'] : []),
  ].join(', ');
}

function planOf({ ids, repeats }: FlatLoad, sizes: Sizes, storedKeys?: number): BacklogPlan {
  return {
    messages: sizes.backlog,
    duplicateShare: repeats === 'none' ? 0 : REPEATED_SHARE,
    ids,
    storedKeys,
  };
}

async function subjectsOf(
  fixture: DrainFixture,
  full: FullDatabase,
  sizes: Sizes,
  { load, workerVariables: variables }: FlatOptions,
): Promise<DrainSubject[]> {
  const { pool, backlog } = fixture;
  const recent = await recentBacklog(fixture, load, sizes);
  const ours = workerSubject(
    { pool: full.pool, backlog },
    {
      role: 'ours',
      subject: `sekali worker, ${sizes.drainedKeys.toLocaleString('en')} keys stored`,
      variables: { ...variables, SEKALI_POSTGRES_URL: full.url },
    },
  );
  const empty = { role: 'ceiling', subject: 'sekali worker, empty database', variables } as const;
  return [
    {
      ...ours,
      prepare: async () => {
        await forgetStream(full.pool, backlog);
        await full.bound(load.isBounded);
      },
      check: async () => {
        await full.bound(false);
        await ours.check();
      },
    },
    { ...workerSubject({ pool, backlog: recent }, empty), backlog: recent },
  ];
}

/** The backlog for the empty database. */
async function recentBacklog(
  { connection, backlog, onProgress, signal }: DrainFixture,
  load: FlatLoad,
  sizes: Sizes,
): Promise<Backlog> {
  if (load.repeats !== 'old') return backlog;
  return fillBacklog(connection, planOf(load, sizes), {
    onProgress: (messages) => {
      onProgress(`filling the stream: ${messages} of ${sizes.backlog}`);
    },
    signal,
  });
}
