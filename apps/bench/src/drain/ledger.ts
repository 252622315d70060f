/**
 * Empties Sekali's tables before a round and checks them after it.
 *
 * A drain that loses or doubles a message must not have a figure. So after every round the rows are counted, and the
 * counters are compared with them.
 */
import type { Pool } from 'pg';
import { counterFaults, type Queryable, SEKALI_LEDGER } from '#store';
import type { Backlog } from '../environment/backlog.js';
import { keyTables } from './key-tables.js';
import { WrongSubjectError } from '../wrong-subject.js';

const TABLES = [
  'event',
  'event_key',
  'duplicate',
  'dead_letter',
  'attempt',
  'counter',
  'horizon',
  'broker_duplicate',
] as const;

const EMPTY = `TRUNCATE ${TABLES.map((table) => `sekali.${table}`).join(', ')}`;

/** The tables whose rows belong to a stream. `VACUUM` removes the deleted rows from their indexes. */
const OF_STREAM = TABLES.filter((table) => table !== 'broker_duplicate');

const TOTALS = `
SELECT
  (SELECT count(*) FROM sekali.event_key WHERE stream_id = $1)::float8 AS keys,
  (SELECT count(*) FROM sekali.event WHERE stream_id = $1)::float8 AS events,
  (SELECT count(*) FROM sekali.duplicate WHERE stream_id = $1)::float8 AS duplicates,
  (SELECT count(*) FROM sekali.duplicate WHERE stream_id = $1 AND conflict)::float8 AS conflicts,
  (SELECT count(*) FROM sekali.dead_letter WHERE stream_id = $1)::float8 AS "deadLetters"`;

/** The number of rows that a stream has in each table of the ledger. */
interface LedgerRows {
  readonly keys: number;
  readonly events: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** Empties the whole ledger. */
export async function emptyLedger(database: Queryable): Promise<void> {
  await database.query(EMPTY);
}

/** Deletes the rows of one stream from the ledger and keeps those of the others. */
export async function forgetStream(pool: Pool, backlog: Backlog): Promise<void> {
  const { streamId } = await SEKALI_LEDGER.registry.of(pool, {
    name: backlog.stream,
    identity: backlog.identity,
  });
  for (const table of OF_STREAM) {
    await pool.query(`DELETE FROM sekali.${table} WHERE stream_id = $1`, [streamId]);
    const tables = table === 'event_key' ? await keyTables(pool) : [`sekali.${table}`];
    await pool.query(`VACUUM ${tables.join(', ')}`);
  }
}

/** Throws unless the ledger accounts for every message of a drained backlog exactly. */
export async function checkLedger(pool: Pool, backlog: Backlog): Promise<void> {
  const { streamId } = await SEKALI_LEDGER.registry.of(pool, {
    name: backlog.stream,
    identity: backlog.identity,
  });
  const { rows } = await pool.query<LedgerRows & Record<string, unknown>>(TOTALS, [streamId]);
  const expected: LedgerRows = {
    keys: backlog.events,
    events: backlog.events,
    duplicates: backlog.messages - backlog.events,
    conflicts: 0,
    deadLetters: 0,
  };
  const [found, required] = [JSON.stringify(rows[0]), JSON.stringify(expected)];
  if (found !== required) {
    throw new WrongSubjectError(`the ledger of ${backlog.stream} is ${found} instead of ${required}`);
  }
  const faults = await counterFaults(pool, streamId, 1);
  if (faults.length > 0) {
    throw new WrongSubjectError(
      `the counters of ${backlog.stream} are not what its rows are: ${JSON.stringify(faults[0])}`,
    );
  }
}
