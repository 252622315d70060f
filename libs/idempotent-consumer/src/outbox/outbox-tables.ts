/** Where an outbox is in a database, and how it is created there. */
import type { Pool } from 'pg';
import { classifyDatabaseError, type Queryable, transact } from '#postgres';

/** Which outbox. */
export interface OutboxName {
  /** The schema, which should contain nothing else. The default is `outbox`. */
  readonly schema?: string | undefined;
}

/** This outbox is impossible because of its name, or of what has its place. The message says what to change. */
export class OutboxNameError extends Error {
  override readonly name = 'OutboxNameError';
}

/** Another session was in the way of an upgrade. Waiting helps, and the message says for what. */
export class OutboxBusyError extends Error {
  override readonly name = 'OutboxBusyError';
}

/** Qualified and quoted names for statements. They come from code, and never from input. */
export interface OutboxTables {
  /** The added events, by number. Its partitions are a ring. */
  readonly event: string;
  /** One row: how far the relay has got. */
  readonly relay: string;
  readonly deadLetter: string;
  /** The function that adds events: topics, ids, keys, bodies, and the headers of their trace. */
  readonly add: string;
  /** The channel of `NOTIFY`. */
  readonly channel: string;
  /** What relays agree on by an advisory lock. */
  readonly lock: string;
  /** The advisory lock that a relay has while it is awake, so that no one needs to notify it. */
  readonly awake: string;
}

/** The version of the tables' shape, raised whenever it changes. */
const VERSION = 1;
const MARK = /^Outbox, version (\d+): /;
const SCHEMA = /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_-]{0,49}$/;
const OUTBOX_SCHEMA = 'outbox';

/** Partitions of the ring. */
export const SEGMENTS = 16;
/** The bits of a number within one segment: 131,072 events. */
export const SEGMENT_BITS = 17;

const UPGRADE_LOCK_MS_MAX = 2_000;
const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';
const SCHEMA_IS_THERE = 'SELECT FROM pg_namespace WHERE nspname = $1';
// The catalogue is read directly, because to_regclass may still answer from before another process created the schema.
const MARKS = `
SELECT relname AS name, obj_description(pg_class.oid, 'pg_class') AS comment
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = $1 AND relname IN ('event', 'relay', 'dead_letter')`;

// The function is the last thing that an upgrade creates.
const IS_OF_NOW = `
SELECT pg_has_role(relowner, 'USAGE') AS owned, EXISTS (
  SELECT FROM pg_proc WHERE pronamespace = relnamespace AND proname = 'add_events'
) AS current
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relname = 'dead_letter'`;

/** @throws OutboxNameError when no schema can have the name */
export function outboxTables({ schema = OUTBOX_SCHEMA }: OutboxName = {}): OutboxTables {
  if (!SCHEMA.test(schema))
    throw new OutboxNameError(
      `"${schema}" cannot be the schema of an outbox: use 1 to 50 letters, digits, _ and -, a letter or _ first, and not a name of Postgres' own`,
    );
  return {
    event: `"${schema}"."event"`,
    relay: `"${schema}"."relay"`,
    deadLetter: `"${schema}"."dead_letter"`,
    add: `"${schema}"."add_events"`,
    channel: `outbox ${schema}`,
    lock: `outbox relay ${schema}`,
    awake: `outbox awake ${schema}`,
  };
}

/** The segment of the ring that has a number. */
export function segmentOf(number: number): number {
  return Math.floor(number / 2 ** SEGMENT_BITS) % SEGMENTS;
}

/** The partition of a segment. */
export function segmentTable(tables: OutboxTables, segment: number): string {
  return `${tables.event.slice(0, -1)}_${segment}"`;
}

/**
 * Creates an outbox, if it is missing, and adds what tables of an earlier version lack. The call is repeatable, and safe when
 * several processes start at once. If the outbox is complete already, the role needs no right on it.
 *
 * Events are added while it upgrades. First it builds indexes, which takes seconds for millions of dead letters, and a relay
 * that sets an event aside waits for them. Then it locks all tables for a moment. It waits 2 s for each lock at most, because
 * additions wait behind it.
 *
 * @param pool connections of a role that may create the schema and its tables, if they are missing
 * @throws OutboxNameError when other tables have the place of the outbox, or when they are of an earlier version and the
 *   role does not own them; then nothing has changed
 * @throws OutboxBusyError when another session has a lock on the tables for too long, such as a backup or a long transaction.
 *   Tables and their function are as before then. Call it again when that session has ended
 */
export async function createOutbox(pool: Pool, name: OutboxName = {}): Promise<OutboxTables> {
  const { schema = OUTBOX_SCHEMA } = name;
  const tables = outboxTables(name);
  if (!(await isThere(pool, schema)))
    await transact(pool, async (database) => {
      await database.query(LOCK, [`outbox ${schema}`]);
      if (await isThere(database, schema)) return;
      const { rowCount } = await database.query(SCHEMA_IS_THERE, [schema]);
      if (rowCount === 0) await database.query(`CREATE SCHEMA "${schema}"`);
      for (const statement of creation(schema, tables)) await database.query(statement);
    });
  if (!(await isCurrent(pool, schema))) await upgrade(pool, schema, tables);
  return tables;
}

/** Each step is one transaction. One that has been made already changes nothing when it is made again. */
async function upgrade(pool: Pool, schema: string, tables: OutboxTables): Promise<void> {
  try {
    for (const step of upgradeSteps(schema, tables))
      await transact(pool, async (database) => {
        await database.query(LOCK, [`outbox ${schema}`]);
        if (await isCurrent(database, schema)) return;
        await database.query(`SET LOCAL lock_timeout = ${UPGRADE_LOCK_MS_MAX}`);
        for (const statement of step) await database.query(statement);
      });
  } catch (error) {
    if (classifyDatabaseError(error) !== 'contention') throw error;
    throw new OutboxBusyError(
      `the outbox in schema ${schema} is not upgraded yet, because another session has a lock on its tables for too long: wait until that backup or long transaction has ended, and create the outbox again`,
      { cause: error },
    );
  }
}

async function isThere(database: Queryable, schema: string): Promise<boolean> {
  const { rows } = await database.query<{ name: string; comment: string | null }>(MARKS, [schema]);
  for (const { name, comment } of rows) {
    const version = Number(MARK.exec(comment ?? '')?.[1] ?? 0);
    if (version === 0)
      throw new OutboxNameError(
        `${schema}.${name} exists already and is not the table of an outbox: give the outbox another schema`,
      );
    if (version > VERSION)
      throw new OutboxNameError(
        `${schema}.${name} has version ${version}, and this program knows version ${VERSION}: start a newer program`,
      );
  }
  if (rows.length !== 0 && rows.length !== 3)
    throw new OutboxNameError(
      `a table of the outbox in schema ${schema} is missing: restore it from a backup, or drop the others as well`,
    );
  return rows.length > 0;
}

/** @throws OutboxNameError when tables of an earlier version belong to another role */
async function isCurrent(database: Queryable, schema: string): Promise<boolean> {
  const { rows } = await database.query<{ current: boolean; owned: boolean }>(IS_OF_NOW, [schema]);
  const [{ current, owned } = { current: true, owned: true }] = rows;
  if (!current && !owned)
    throw new OutboxNameError(
      `the outbox in schema ${schema} was created by an earlier version: have the owner of its tables create it again`,
    );
  return current;
}

/**
 * The transaction gets its id before the number. A number that is missing can therefore only come from a transaction whose
 * id is known to be older than the relay's next one (open-numbers.ts).
 */
function creation(schema: string, tables: OutboxTables): string[] {
  const { event, relay, deadLetter } = tables;
  const columns = `topic text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL, key text COLLATE "C", body text NOT NULL,
  added_at timestamptz NOT NULL DEFAULT now(), traceparent text, tracestate text`;
  const segments = Array.from({ length: SEGMENTS }, (_, n) => {
    // Rows are never updated or deleted, and a segment is emptied as a whole, so vacuuming it would be in vain.
    return `CREATE TABLE ${event.slice(0, -1)}_${n}" PARTITION OF ${event} (PRIMARY KEY (number))
FOR VALUES IN (${n}) WITH (autovacuum_vacuum_insert_threshold = -1)`;
  });
  const mark = (table: string, holds: string): string =>
    `COMMENT ON TABLE ${table} IS 'Outbox, version ${VERSION}: ${holds}'`;
  return [
    `CREATE SEQUENCE "${schema}".event_number`,
    `CREATE FUNCTION "${schema}".next_event_number() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN nextval('"${schema}".event_number');
END
$$`,
    `CREATE TABLE ${event} (number bigint NOT NULL DEFAULT "${schema}".next_event_number(), ${columns})
PARTITION BY LIST (${SEGMENT})`,
    ...segments,
    `CREATE TABLE ${relay} (single boolean DEFAULT true CHECK (single), passed bigint NOT NULL DEFAULT 0,
  gap_from bigint[] NOT NULL DEFAULT '{}', gap_to bigint[] NOT NULL DEFAULT '{}', gap_until bigint[] NOT NULL DEFAULT '{}',
  asleep boolean NOT NULL DEFAULT true) WITH (fillfactor = 20)`,
    `INSERT INTO ${relay} DEFAULT VALUES`,
    `CREATE TABLE ${deadLetter} (number bigint PRIMARY KEY, ${columns},
  state text NOT NULL CHECK (state IN ('dead', 'held', 'released')), reason text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now())`,
    ...deadLetterIndexes(deadLetter),
    addition(schema, tables),
    mark(event, 'events that were added in the transactions of their callers'),
    mark(relay, 'how far the relay has published them'),
    mark(deadLetter, 'events that the brokers refuse, and those held behind them'),
  ];
}

/** Of a key, those that are dead are before those that are held, and these are in their order. */
function deadLetterIndexes(deadLetter: string): string[] {
  return [
    `CREATE INDEX IF NOT EXISTS dead_letter_key ON ${deadLetter} (key, topic, state, number) WHERE key IS NOT NULL`,
    `CREATE INDEX IF NOT EXISTS dead_letter_released ON ${deadLetter} (number) WHERE state = 'released'`,
  ];
}

/**
 * What tables of an earlier program lack. Programs of that version go on with the changed tables.
 *
 * - The trace of an event is new, and so is the function that adds events.
 * - An index of the relay's row made each save visit all of its versions while a session had an old snapshot.
 * - The indexes of dead letters made each search for released ones read all that are held.
 *
 * Indexes are built first, because additions would wait for them behind the locks of the second step. That locks tables in
 * the order in which additions do, so that none of them is in a deadlock with it.
 */
function upgradeSteps(schema: string, tables: OutboxTables): string[][] {
  const { event, relay, deadLetter } = tables;
  const traced = 'ADD COLUMN IF NOT EXISTS traceparent text, ADD COLUMN IF NOT EXISTS tracestate text';
  return [
    deadLetterIndexes(deadLetter),
    [
      `ALTER TABLE ${event} ${traced}`,
      `ALTER TABLE ${relay} DROP CONSTRAINT IF EXISTS relay_pkey, ALTER COLUMN single DROP NOT NULL`,
      `ALTER TABLE ${deadLetter} ${traced}`,
      `DROP INDEX IF EXISTS "${schema}".dead_letter_key_topic_state_idx, "${schema}".dead_letter_number_idx`,
      addition(schema, tables),
    ],
  ];
}

/**
 * The function that adds events. Its plan is kept by the session, and planning took longer than adding a few events. The
 * transaction gets its id before the first number, as above.
 *
 * A notification of each transaction would make their commits wait for each other. So only a relay that is asleep is
 * notified, and one that falls asleep at this moment finds the events by itself. It has a lock while it is awake. A flag in
 * its row would be read through all versions of that row, which are many while a session has an old snapshot.
 *
 * The lock is taken and given back within one expression, because a cancellation between two statements would leave it to
 * the session. Then no relay could be awake while that connection of a pool lives.
 */
function addition(schema: string, { event, add, channel, awake }: OutboxTables): string {
  const key = `hashtextextended('${awake}', 0)`;
  return `
CREATE OR REPLACE FUNCTION ${add}(topics text[], ids text[], keys text[], bodies text[], trace_parent text, trace_state text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  INSERT INTO ${event} (number, topic, event_id, key, body, traceparent, tracestate)
  SELECT nextval('"${schema}".event_number'), given.topic, given.event_id, given.key, given.body, trace_parent, trace_state
  FROM unnest(topics, ids, keys, bodies) AS given (topic, event_id, key, body);
  IF (CASE WHEN pg_try_advisory_lock_shared(${key}) THEN pg_advisory_unlock_shared(${key}) ELSE false END) THEN
    PERFORM pg_notify('${channel}', '');
  END IF;
END
$$`;
}

/** The segment of a row, as the tables are partitioned by it. */
export const SEGMENT = `((number >> ${SEGMENT_BITS}) & ${SEGMENTS - 1})`;
