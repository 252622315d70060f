/**
 * The disk that a million rows need, with their indexes: keys from the full database, events and repeats from what the
 * last round drained into the empty one.
 */
import type { Queryable } from '#store';
import type { Environment } from '../environment/environment.js';
import { EVENT_BYTES } from '../environment/event-sequence.js';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { openPool } from './drain.js';
import { fullDatabase } from './full-database.js';
import { keyBytes } from './key-tables.js';

const ROWS = `SELECT count(*)::float8 AS rows FROM`;
/** A table without partitions is not in its own tree. */
const BYTES = `
SELECT sum(pg_total_relation_size(relid))::float8 AS bytes
FROM (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1::regclass) part`;

/** Measures keys, events and repeats, with random ids. The loads of `FLAT_LOADS` come before it. */
export async function measureDisk(
  environment: Environment,
  sizes: Sizes,
  onProgress: (line: string) => void,
): Promise<Group[]> {
  const stored = { keys: sizes.drainedKeys, ids: 'random', hasEvents: false } as const;
  const full = openPool((await fullDatabase(environment, stored, onProgress)).url);
  const drained = openPool(environment.postgresUrl);
  try {
    const bytesOfKey = (await keyBytes(full)) / (await rowsOf(full, 'sekali.event_key'));
    return [
      disk('keys', 'keys', bytesOfKey, sizes),
      disk('events', `events of ${EVENT_BYTES} bytes`, await bytesOfRow(drained, 'sekali.event'), sizes),
      disk('duplicates', 'duplicates', await bytesOfRow(drained, 'sekali.duplicate'), sizes),
    ];
  } finally {
    await Promise.all([full.end(), drained.end()]);
  }
}

/** Every round has the same figure. Bytes of a row are megabytes of a million rows. */
function disk(name: string, rows: string, bytesOfOne: number, { rounds }: Sizes): Group {
  const values = Array.from({ length: rounds }, () => bytesOfOne);
  const series = [{ role: 'ours', subject: 'on disk', unit: 'MB', values } as const];
  return { name: `flat-disk-${name}`, what: `disk for 1,000,000 ${rows}, random ids`, series, targets: [] };
}

async function bytesOfRow(database: Queryable, table: string): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(BYTES, [table]);
  return (rows[0]?.bytes ?? 0) / (await rowsOf(database, table));
}

async function rowsOf(database: Queryable, table: string): Promise<number> {
  const { rows } = await database.query<{ rows: number }>(`${ROWS} ${table}`);
  const found = rows[0]?.rows ?? 0;
  if (found === 0) throw new WrongSubjectError(`${table} is empty, so a row has no size`);
  return found;
}
