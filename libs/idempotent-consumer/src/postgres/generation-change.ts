import type { Pool } from 'pg';
import { CLOSED_GENERATION, LOCK_MS_MAX, type Queryable, transact } from '#postgres';
import { generationTable, type InboxTables } from './inbox-tables.js';

const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';

/** More of them would be a mistake in a setting: each may be asked for an id. */
const GENERATIONS_MAX = 1_000;

// Who may do what with the model, or with a column of it, may do it with its likeness.
const RIGHTS = `
SELECT format('GRANT %s ON %s TO %I', privilege, $2::text, grantee) AS statement
FROM (
  SELECT privilege_type AS privilege, pg_get_userbyid(grantee) AS grantee
  FROM pg_class, aclexplode(relacl) WHERE oid = $1::regclass AND grantee <> relowner AND grantee <> 0
  UNION ALL
  SELECT format('%s (%I)', privilege_type, attname), pg_get_userbyid(grantee)
  FROM pg_attribute, aclexplode(attacl) WHERE attrelid = $1::regclass AND NOT attisdropped AND grantee <> 0
) permitted`;

/**
 * Closes the youngest generation of an inbox's keys, and opens the next. The table of the next one is a child
 * of generation 0. So what reads or updates `tables.key` covers it, and no key is moved.
 *
 * It waits for transactions that have inserted keys, for two seconds at most. A program that does not know
 * generations is refused from then on, and waits.
 *
 * @param pool connections of a role that owns the tables of the inbox
 * @param expected the number of the youngest generation; if another process has closed it meanwhile, nothing
 *   happens
 * @returns the number of the new generation; `undefined` when nothing happened, as with a generation without
 *   keys
 * @throws an error that `isLockTimeout` recognizes, when a transaction takes too long; try again later
 */
export async function changeKeyGeneration(
  pool: Pool,
  tables: InboxTables,
  expected: number,
): Promise<number | undefined> {
  const { key, keyGeneration } = tables;
  if (keyGeneration === undefined) throw new Error(`the keys in ${key} have no registry of generations`);
  return transact(pool, async (database) => {
    await database.query(`SET LOCAL lock_timeout = ${LOCK_MS_MAX}`);
    // Inboxes of one schema share the function that refuses keys.
    await database.query(LOCK, [`generations in ${schemaOf(key)}`]);
    if ((await youngestIn(database, keyGeneration)) !== expected) return undefined;
    const youngest = generationTable(key, expected);
    const { rowCount } = await database.query(`SELECT FROM ONLY ${youngest} LIMIT 1`);
    if (rowCount === 0) return undefined;
    if (expected >= GENERATIONS_MAX) throw new Error(`${key} has ${GENERATIONS_MAX} generations already`);
    for (const statement of opening(tables, keyGeneration, expected)) await database.query(statement);
    await copyRights(database, key, generationTable(key, expected + 1));
    if (expected === 0) await copyRights(database, tables.stream, keyGeneration);
    // It comes last, because from then on other transactions wait.
    await database.query(closing(youngest));
    return expected + 1;
  });
}

/** Returns the youngest generation, 0 while there is no registry. */
async function youngestIn(database: Queryable, registry: string): Promise<number> {
  const there = await database.query<{ present: boolean }>('SELECT to_regclass($1) IS NOT NULL AS present', [
    registry,
  ]);
  if (there.rows[0]?.present !== true) return 0;
  const { rows } = await database.query<{ number: number }>(
    `SELECT coalesce(max(number), 0) AS number FROM ${registry}`,
  );
  return rows[0]?.number ?? 0;
}

async function copyRights(database: Queryable, model: string, likeness: string): Promise<void> {
  const { rows } = await database.query<{ statement: string }>(RIGHTS, [model, likeness]);
  for (const { statement } of rows) await database.query(statement);
}

function opening({ key }: InboxTables, registry: string, expected: number): string[] {
  const next = generationTable(key, expected + 1);
  return [
    `CREATE TABLE IF NOT EXISTS ${registry} (number integer PRIMARY KEY, opened_at timestamptz, closed_at timestamptz)`,
    `INSERT INTO ${registry} (number) VALUES (0) ON CONFLICT DO NOTHING`,
    `UPDATE ${registry} SET closed_at = clock_timestamp() WHERE number = ${expected}`,
    `INSERT INTO ${registry} (number, opened_at) VALUES (${expected + 1}, clock_timestamp())`,
    `CREATE TABLE ${next} (LIKE ${key} INCLUDING ALL)`,
    `ALTER TABLE ${next} INHERIT ${key}`,
    refusal(schemaOf(key)),
  ];
}

function refusal(schema: string): string {
  return `
CREATE OR REPLACE FUNCTION ${schema}.refuse_keys() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  RAISE EXCEPTION 'the generation of keys % is closed', TG_TABLE_NAME
    USING ERRCODE = '${CLOSED_GENERATION}', HINT = 'Start a program that knows generations of keys.';
END
$body$`;
}

function closing(youngest: string): string {
  return `CREATE TRIGGER closed BEFORE INSERT ON ${youngest} FOR EACH STATEMENT EXECUTE FUNCTION ${schemaOf(youngest)}.refuse_keys()`;
}

/** Returns the schema of a qualified name, as it is quoted there. A schema has no dot in its name. */
function schemaOf(table: string): string {
  return table.slice(0, table.indexOf('.'));
}
