/** The further tables of a consumer that keeps the order of keys. */
import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import { areThere, lockInboxes, mark } from '../postgres/inbox-marks.js';
import { INBOX_SCHEMA, type InboxName, InboxNameError, inboxTables } from '../postgres/inbox-tables.js';

/** Qualified and quoted names for statements. They come from code, and never from input. */
export interface OrderTables {
  /** One row: which process may decide, and until when without a sign of it. */
  readonly lease: string;
  /** Events that wait for their turn, each under its sequence. */
  readonly parked: string;
  /** The keys of these events, each with the position of the event that is first, and when it is due. */
  readonly blocked: string;
}

/** @throws InboxNameError when no table could have the name of the schema or the consumer */
export function orderTables(name: InboxName): OrderTables {
  const { schema = INBOX_SCHEMA, consumer } = name;
  inboxTables(name);
  const table = (suffix: string): string => `"${schema}"."${consumer}_${suffix}"`;
  return { lease: table('lease'), parked: table('parked'), blocked: table('blocked') };
}

/**
 * Creates the further tables, if they are missing, in a schema that exists. The call is repeatable, and safe when
 * several processes start at once.
 *
 * @throws InboxNameError when another table has the place of one of them; then nothing has changed
 */
export async function createOrder(pool: Pool, name: InboxName): Promise<void> {
  const { schema = INBOX_SCHEMA } = name;
  const tables = orderTables(name);
  const isThere = (database: Pick<Queryable, 'query'>): Promise<boolean> =>
    areThere(database, schema, Object.values(tables) as string[], ': restore it from a backup');
  if (await isThere(pool)) return;
  await transact(pool, async (database) => {
    await lockInboxes(database, schema);
    if (await isThere(database)) return;
    for (const statement of creation(tables)) await database.query(statement);
  });
}

function creation({ lease, parked, blocked }: OrderTables): string[] {
  return [
    `CREATE TABLE ${lease} (single boolean PRIMARY KEY DEFAULT true CHECK (single), token uuid,
  until timestamptz NOT NULL DEFAULT now(), ended integer NOT NULL DEFAULT 0) WITH (fillfactor = 20)`,
    `INSERT INTO ${lease} DEFAULT VALUES`,
    `CREATE TABLE ${parked} (stream_id integer NOT NULL, seq bigint NOT NULL, key text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL, subject text NOT NULL, headers bytea,
  body bytea NOT NULL, deliveries integer NOT NULL, published_at timestamptz NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (stream_id, seq), UNIQUE (key, stream_id, seq))`,
    `CREATE TABLE ${blocked} (key text COLLATE "C" PRIMARY KEY, stream_id integer NOT NULL, seq bigint NOT NULL,
  due_at timestamptz, is_retry boolean NOT NULL, blocked_at timestamptz NOT NULL DEFAULT now())`,
    `CREATE INDEX ON ${blocked} (due_at)`,
    mark(lease, 'which process decides in the order of keys'),
    mark(parked, 'events that wait behind another one of their key'),
    mark(blocked, 'keys whose events wait, and since when'),
  ];
}

/**
 * Refuses to go on without an order while events wait for their turn: they would never take effect.
 *
 * @throws InboxNameError
 */
export async function refuseParked(pool: Pool, name: InboxName): Promise<void> {
  const { parked } = orderTables(name);
  const { rows } = await pool.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    parked,
  ]);
  if (rows[0]?.there !== true) return;
  const { rowCount } = await pool.query(`SELECT FROM ${parked} LIMIT 1`);
  if (rowCount === 0) return;
  throw new InboxNameError(
    `${parked} has events that wait for their turn, and handler "${name.consumer}" has no orderBy: give it one until they are decided`,
  );
}
