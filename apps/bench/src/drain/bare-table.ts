/**
 * A table of keys that has no constraints while it is filled, because rows next to indexes cost several times as much.
 *
 * The constraints are the table's own. Their definitions are read before they are dropped, and so nothing of the product
 * is written twice. They get their former names, and with them their indexes.
 *
 * An index that is built at once is denser than one that has grown: random ids leave its pages two thirds full. So each
 * index is built as loosely as that of a table that was filled row by row, and a database has the size that workers
 * leave. The index loses this setting afterwards, which changes no page.
 */
import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';

/** How full Postgres makes the pages of an index that it builds, in percent. */
const BUILT_FULL = 90;
const FILL_FACTOR_MIN = 10;
const FILL_FACTOR_MAX = 100;
/** As many rows show how many bytes a row has in an index. */
const SAMPLED_ROWS = 100_000;
const BUILD_MEMORY = '1GB';

/** How a table of keys has grown. */
export interface GrownTable {
  /** The bytes of a row, with the indexes. */
  readonly bytesPerRow: number;
  /** How full the pages of each index are, in percent, by the numbers of its columns. */
  readonly fillFactors: ReadonlyMap<string, number>;
}

const SIZES = `
SELECT (SELECT count(*) FROM ONLY TABLE_NAME)::float8 AS rows, pg_total_relation_size('TABLE_NAME')::float8 AS bytes,
  (SELECT json_object_agg(indkey::text, pg_relation_size(indexrelid)) FROM pg_index WHERE indrelid = 'TABLE_NAME'::regclass)
    AS "indexBytes"`;

interface TableSizes {
  readonly rows: number;
  readonly bytes: number;
  readonly indexBytes: Readonly<Record<string, number>>;
}

const CONSTRAINTS = `
SELECT format('%I', conname) AS name, pg_get_constraintdef(pg_constraint.oid) AS definition, indkey::text AS columns
FROM pg_constraint JOIN pg_index ON indexrelid = conindid
WHERE conrelid = $1::regclass AND contype IN ('p', 'u') ORDER BY conname`;

interface Constraint {
  /** As an identifier of SQL. */
  readonly name: string;
  readonly definition: string;
  readonly columns: string;
}

/** Measures a table that was filled row by row. It is compared with a copy of some rows whose indexes are built at once. */
export async function grownTable(pool: Pool, table: string): Promise<GrownTable> {
  const { grown, built } = await transact(pool, async (database) => {
    await database.query(`CREATE TEMPORARY TABLE sample (LIKE ${table} INCLUDING ALL) ON COMMIT DROP`);
    await database.query(`INSERT INTO sample SELECT * FROM ONLY ${table} LIMIT ${SAMPLED_ROWS}`);
    await database.query('REINDEX TABLE sample');
    return { grown: await sizesOf(database, table), built: await sizesOf(database, 'sample') };
  });
  const fillFactors = Object.entries(grown.indexBytes).map(([columns, bytes]): [string, number] => {
    const bytesBuilt = (built.indexBytes[columns] ?? 0) / built.rows;
    return [columns, fillFactor(bytesBuilt / (bytes / grown.rows))];
  });
  return { bytesPerRow: grown.bytes / grown.rows, fillFactors: new Map(fillFactors) };
}

async function sizesOf(database: Queryable, table: string): Promise<TableSizes> {
  const { rows } = await database.query<TableSizes & Record<string, unknown>>(
    SIZES.replaceAll('TABLE_NAME', table),
  );
  const [sizes] = rows;
  if (sizes === undefined || sizes.rows === 0) throw new Error(`${table} has no rows, so they have no size`);
  return sizes;
}

function fillFactor(share: number): number {
  return Math.min(Math.max(Math.round(BUILT_FULL * share), FILL_FACTOR_MIN), FILL_FACTOR_MAX);
}

/** How to fill a table. */
export interface BareFilling {
  /** The table that its indexes shall be like. */
  readonly model: GrownTable;
  /** Stores the rows. */
  readonly fill: () => Promise<void>;
  /** Called before the indexes are built, which takes seconds. */
  readonly onIndexing: () => void;
}

/** Drops the constraints of an empty table, fills it, and adds them again. */
export async function fillBare(
  pool: Pool,
  table: string,
  { model, fill, onIndexing }: BareFilling,
): Promise<void> {
  const { rows: constraints } = await pool.query<Constraint>(CONSTRAINTS, [table]);
  const drop = constraints.map(({ name }) => `DROP CONSTRAINT ${name}`);
  await pool.query(`ALTER TABLE ${table} ${drop.join(', ')}`);
  await fill();
  onIndexing();
  const add = constraints.map(({ name, definition, columns }) => {
    const fillFactor = model.fillFactors.get(columns) ?? BUILT_FULL;
    return `ADD CONSTRAINT ${name} ${definition} WITH (fillfactor = ${fillFactor})`;
  });
  const schema = table.slice(0, table.indexOf('.'));
  const reset = constraints.map(({ name }) => `ALTER INDEX ${schema}.${name} RESET (fillfactor)`);
  // The statements of one query are one transaction.
  await pool.query(
    [
      `SET LOCAL maintenance_work_mem = '${BUILD_MEMORY}'`,
      `ALTER TABLE ${table} ${add.join(', ')}`,
      ...reset,
    ].join('; '),
  );
}
