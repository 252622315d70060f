/**
 * Drops duplicates, conflicts and dead letters of the consumer `store` by age. The migration `RowAges` says which may go.
 *
 *   message in the stream ─▶ its row stays: delivered again, it must count once
 *   message gone, all below it settled, row older than its age ─▶ dropped; a bit and a count remain
 *
 * The database does not see the stream. So workers note the first sequence that the stream still has. A note that is
 * old is safe, because that sequence only grows.
 */
import type { Pool } from 'pg';
import type { Incarnation } from '#idempotent-consumer/postgres';
import { transact, type Queryable } from '#postgres';
import { inSteps } from './paced-steps.js';
import { RETENTION_LOCK } from './retention-rules.js';

/** The kinds of rows that have an age. */
export type AgedKind = 'duplicate' | 'conflict' | 'dead_letter';

/** How many whole days rows of a kind, and ids, are kept; `undefined` is for ever. */
export type RowAges = Readonly<Partial<Record<AgedKind | 'id', number | undefined>>>;

/** Rows that were dropped. Duplicates include conflicts. */
export interface DroppedRows {
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** How rows are dropped: see `RetentionOptions`. */
export interface RowRetentionOptions {
  readonly onStep: (step: DroppedRows) => void;
  /** Passes that share it read a row that stays once a day. */
  readonly places?: RowPlaces;
  readonly signal?: AbortSignal;
  readonly rowsMax?: number;
  readonly pauseFactor?: number;
}

const ROWS_MAX = 1_000;
const PAUSE_FACTOR = 4;

const WRITE_AGES = `
INSERT INTO sekali.retention_age (kind, days)
SELECT * FROM unnest($1::text[], $2::integer[]) AS input (kind, days) WHERE days IS NOT NULL`;
const AGES = `SELECT kind, days FROM sekali.retention_age`;
const NOTE_FLOOR = `
INSERT INTO sekali.stream_floor AS known (stream_id, seq) SELECT stream_id, $2 FROM unnest($1::integer[]) AS input (stream_id)
ON CONFLICT (stream_id) DO UPDATE SET seq = greatest(known.seq, excluded.seq), noted_at = now()
WHERE known.seq < excluded.seq`;
const STREAMS = `
SELECT stream_id AS "streamId", concat_ws(' ', date_trunc('day', now(), 'UTC'),
  (SELECT string_agg(kind || '=' || days, ',' ORDER BY kind) FROM sekali.retention_age)) AS rules
FROM sekali.stream_floor ORDER BY stream_id`;
const AGED = `SELECT kind, rows::float8 AS rows FROM sekali.aged_rows()`;
const DROP = `
SELECT duplicates::float8 AS duplicates, conflicts::float8 AS conflicts, dead_letters::float8 AS "deadLetters", seq::text AS seq
FROM sekali.drop_aged_rows($1, $2, $3)`;

/**
 * How far passes have come. A row that one of them read and kept is kept until the next day in UTC, or until an age
 * changes: then the places are forgotten. It is in memory, because a process that starts again only reads more.
 */
export class RowPlaces {
  #rules = '';
  readonly #places = new Map<number, string>();

  /** Returns the sequence behind which a pass begins. @param rules the day and the ages */
  of(streamId: number, rules: string): string {
    if (rules !== this.#rules) this.#places.clear();
    this.#rules = rules;
    return this.#places.get(streamId) ?? '0';
  }

  /** Notes that a pass has read the rows up to a sequence. */
  note(streamId: number, seq: string): void {
    this.#places.set(streamId, seq);
  }
}

/** Makes the ages in the database those of the settings. @param pool connected as the owner of the schema */
export async function writeRowAges(pool: Pool, ages: RowAges): Promise<void> {
  await transact(pool, async (database) => {
    await database.query('SELECT pg_advisory_xact_lock($1)', [RETENTION_LOCK]);
    await database.query('DELETE FROM sekali.retention_age');
    await database.query(WRITE_AGES, [Object.keys(ages), Object.values(ages).map((days) => days ?? null)]);
  });
}

/** Reads the ages that hold. */
export async function rowAges(database: Queryable): Promise<RowAges> {
  const { rows } = await database.query<{ kind: AgedKind; days: number }>(AGES);
  return Object.fromEntries(rows.map(({ kind, days }) => [kind, days]));
}

/** Notes the first sequence that the stream of an incarnation still has. */
export async function noteStreamFloor(
  database: Queryable,
  { segments }: Pick<Incarnation, 'segments'>,
  firstSeq: number,
): Promise<void> {
  await database.query(NOTE_FLOOR, [segments.map(({ streamId }) => streamId), firstSeq]);
}

/** Counts the rows that are older than their age and may be dropped, by kind. It reads every row that may go. */
export async function agedRows(
  database: Queryable,
): Promise<readonly { readonly kind: AgedKind; readonly rows: number }[]> {
  return (await database.query<{ kind: AgedKind; rows: number }>(AGED)).rows;
}

/**
 * Drops rows that are older than their age, until none is left.
 *
 * @returns whether all of them were dropped; `false` when another process drops, or the signal ended the pass
 */
export async function dropAgedRows(database: Queryable, options: RowRetentionOptions): Promise<boolean> {
  const { rows: streams } = await database.query<{ streamId: number; rules: string }>(STREAMS);
  const { places = new RowPlaces() } = options;
  for (const { streamId, rules } of streams) {
    const note = (seq: string): void => {
      places.note(streamId, seq);
    };
    if (!(await dropOf(database, streamId, places.of(streamId, rules), note, options))) return false;
  }
  return true;
}

type Step = DroppedRows & {
  /** Where to go on; null at the end. */
  readonly seq: string | null;
};

async function dropOf(
  database: Queryable,
  streamId: number,
  begin: string,
  note: (seq: string) => void,
  { onStep, signal, rowsMax = ROWS_MAX, pauseFactor = PAUSE_FACTOR }: RowRetentionOptions,
): Promise<boolean> {
  let after = begin;
  let isDone = false;
  const step = async (): Promise<boolean> => {
    const { rows } = await database.query<Step>(DROP, [streamId, after, rowsMax]);
    if (rows[0] === undefined) return false;
    const { seq, ...dropped } = rows[0];
    if (dropped.duplicates + dropped.deadLetters > 0) onStep(dropped);
    isDone = seq === null;
    if (seq === null) return false;
    after = seq;
    note(seq);
    return true;
  };
  await inSteps(step, { signal, pauseFactor });
  return isDone;
}
