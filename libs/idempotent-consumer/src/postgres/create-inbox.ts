import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import { createOrder } from '../order/order-tables.js';
import { changeFunction, generationFunctions } from './generation-functions.js';
import { areThere, lockInboxes, mark } from './inbox-marks.js';
import {
  INBOX_SCHEMA,
  type InboxName,
  type InboxTables,
  inboxTables,
  type TablesWithGenerations,
} from './inbox-tables.js';

const SCHEMA_IS_THERE = 'SELECT FROM pg_namespace WHERE nspname = $1';

// An inbox of an earlier version has no functions. Only its owner can create them.
const LACKS_FUNCTIONS = `
SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = to_regclass($1) AND pg_has_role(relowner, 'USAGE') AND has_schema_privilege(nspname, 'CREATE')
  AND NOT EXISTS (
    SELECT FROM pg_proc WHERE pronamespace = relnamespace AND format('"%s"."%s"', nspname, proname) = $2
  )`;

/** What each table contains, and how it is created. The names of constraints begin with that of the table. */
const SHAPES: Readonly<
  Record<
    Exclude<keyof InboxTables, 'keyIsDated' | 'keyGeneration' | 'keyFilter'>,
    readonly [holds: string, columns: string]
  >
> = {
  key: [
    'ids that took effect, each under the sequence of its first message',
    `topic text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL, stream_id integer NOT NULL, seq bigint NOT NULL,
    digest bigint NOT NULL, published_at timestamptz NOT NULL, stored_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT @_identity PRIMARY KEY (topic, event_id), CONSTRAINT @_sequence UNIQUE (stream_id, seq)`,
  ],
  duplicate: [
    'messages whose id had taken effect before',
    `stream_id integer NOT NULL, seq bigint NOT NULL, topic text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL,
    first_stream_id integer NOT NULL, first_seq bigint NOT NULL, conflict boolean NOT NULL, payload jsonb,
    published_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT @_sequence PRIMARY KEY (stream_id, seq)`,
  ],
  deadLetter: [
    'messages that were given up, with the reason',
    `stream_id integer NOT NULL, seq bigint NOT NULL, topic text COLLATE "C" NOT NULL, event_id text COLLATE "C",
    subject text NOT NULL, reason text NOT NULL, detail text NOT NULL, headers text, body bytea NOT NULL,
    deliveries integer NOT NULL, published_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT @_sequence PRIMARY KEY (stream_id, seq)`,
  ],
  attempt: [
    'messages that failed, or that may end the process: started more often than finished',
    `stream_id integer NOT NULL, seq bigint NOT NULL, started integer NOT NULL, finished integer NOT NULL, last_error text,
    updated_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT @_sequence PRIMARY KEY (stream_id, seq)`,
  ],
  counter: [
    'how many messages ended in which way; the sum over the shards is the figure',
    `stream_id integer NOT NULL, topic text COLLATE "C" NOT NULL, shard smallint NOT NULL, stored bigint NOT NULL,
    duplicates bigint NOT NULL, conflicts bigint NOT NULL, dead_letters bigint NOT NULL, redelivered bigint NOT NULL,
    CONSTRAINT @_topic PRIMARY KEY (stream_id, topic, shard)`,
  ],
  stream: [
    'incarnations of streams: a sequence means nothing without one',
    `stream_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT @_number PRIMARY KEY, name text NOT NULL,
    identity text NOT NULL, revision integer NOT NULL DEFAULT 1, base_stream_id integer CONSTRAINT @_base UNIQUE,
    base_seq bigint NOT NULL DEFAULT 0, begun_at timestamptz, settled_seq bigint NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT @_incarnation UNIQUE (name, identity, revision)`,
  ],
};

/** The rows of these tables are updated again and again. */
const CHANGED_OFTEN: readonly string[] = ['counter'];

const INCOMPLETE_REMEDY =
  ', and its other tables exist: restore it from a backup, or drop the others as well if every event may take effect once more';

/**
 * Creates the inbox of a consumer, including its schema, if it is missing. The call is repeatable, and safe
 * when several processes start at once. If the inbox exists already, the role needs only the right to read
 * it.
 *
 * Each table has a comment with its purpose and its version. So a table counts as part of an inbox only by
 * its comment, and never by its name alone. A missing table of an existing inbox is never created again:
 * without its keys, every effect would happen a second time.
 *
 * The keys may begin other generations, by a function `<consumer>_change_key_generation` of the inbox. A role that is
 * not the owner needs the right to execute it.
 *
 * @param pool connections of a role that may create the tables and the schema, if they are missing
 * @param name the schema and the consumer
 * @returns its tables, for an `Inbox`
 * @throws InboxNameError when no inbox can have the consumer's name, or another table has the place of one of
 *   its tables; then nothing has changed
 */
export async function createInbox(pool: Pool, name: InboxName): Promise<TablesWithGenerations> {
  const { schema = INBOX_SCHEMA } = name;
  const tables = inboxTables(name);
  if (await isComplete(pool, schema, tables)) await completeFunctions(pool, schema, tables);
  else await createTables(pool, schema, tables);
  if (name.isOrdered === true) await createOrder(pool, name);
  return tables;
}

async function createTables(pool: Pool, schema: string, tables: TablesWithGenerations): Promise<void> {
  await transact(pool, async (database) => {
    await lockInboxes(database, schema);
    if (await isComplete(database, schema, tables)) return;
    // A role without the right to create schemas may still use an existing one.
    const { rowCount } = await database.query(SCHEMA_IS_THERE, [schema]);
    if (rowCount === 0) await database.query(`CREATE SCHEMA "${schema}"`);
    for (const statement of creation(tables)) await database.query(statement);
    for (const statement of generationFunctions(tables)) await database.query(statement);
  });
}

/** Creates the functions of an inbox that was created by a version without generations. */
async function completeFunctions(pool: Pool, schema: string, tables: TablesWithGenerations): Promise<void> {
  const values = [tables.key, changeFunction(tables)];
  if ((await pool.query(LACKS_FUNCTIONS, values)).rowCount === 0) return;
  await transact(pool, async (database) => {
    await lockInboxes(database, schema);
    if ((await database.query(LACKS_FUNCTIONS, values)).rowCount === 0) return;
    for (const statement of generationFunctions(tables)) await database.query(statement);
  });
}

function isComplete(database: Queryable, schema: string, tables: InboxTables): Promise<boolean> {
  const names = Object.keys(SHAPES).map((which) => tables[which as keyof typeof SHAPES]);
  return areThere(database, schema, names, INCOMPLETE_REMEDY);
}

function creation(tables: InboxTables): string[] {
  return Object.entries(SHAPES).flatMap(([which, [holds, columns]]) => {
    const name = tables[which as keyof typeof SHAPES];
    const bare = name.slice(name.indexOf('.') + 2, -1);
    const filling = CHANGED_OFTEN.includes(which) ? ' WITH (fillfactor = 50)' : '';
    return [
      `CREATE TABLE ${name} (${columns.replaceAll(/@(_[a-z]+)/g, `"${bare}$1"`)})${filling}`,
      mark(name, holds),
    ];
  });
}
