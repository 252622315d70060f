/**
 * The pool, and the bounds of every connection.
 *
 * A statement may hang, a stopped process may leave its transaction open, and a peer may vanish. Each of these must end
 * by itself, because the rows it holds stay locked until then.
 */
import pg from 'pg';

/** How to reach the database, and the bounds on connections and time. */
export interface PostgresAddress {
  readonly url: string;
  /** The name that `pg_stat_activity` shows. */
  readonly name: string;
  /** Connections that are open at a time, at most. */
  readonly connectionsMax: number;
  /** How long one statement or one transaction may take, in milliseconds. */
  readonly transactionMsMax: number;
}

/** How long establishing a connection may take, in milliseconds. */
export const CONNECT_MS_MAX = 5_000;

/** Creates a pool for the hot path. The caller ends it. */
export function createPool(address: PostgresAddress): pg.Pool {
  const pool = new pg.Pool({
    connectionString: address.url,
    application_name: address.name,
    max: address.connectionsMax,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    // Statements whose answers a caller does not await one by one are sent together.
    pipeline: true,
    ...connectionBounds(address),
  });
  // An idle connection that breaks is replaced at the next use. Without a listener, its error would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/** A start of a server process has a time of its own, and a promoted standby another timeline. */
const SERVER = `
SELECT concat_ws(' ', pg_postmaster_start_time(), pg_is_in_recovery(),
  (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint())) AS server`;

/** What is known of a server, once it answered. */
type Server = Promise<string | undefined>;

/** The servers of connections. All listeners of a pool share one question for each. */
const servers = new WeakMap<pg.ClientBase, Server>();
/** The pools that have the question asked before they give a connection away. */
const asking = new WeakSet<pg.Pool>();

/**
 * Calls the listener for each new connection of a pool. Another server, or the same one after a restart, can
 * only answer on a new connection.
 *
 * @param listener gets a text that differs for each start of each server; `undefined` when the server does not say it
 * @returns a function that ends it
 */
export function onNewConnection(pool: pg.Pool, listener: (server: Server) => void): () => void {
  // Each consumer of a pool listens, and Node warns from eleven listeners on.
  pool.setMaxListeners(0);
  askFirst(pool);
  const heard = (client: pg.ClientBase): void => {
    listener(askedOnce(client));
  };
  pool.on('connect', heard);
  return () => {
    pool.off('connect', heard);
  };
}

/**
 * Has the question answered before anyone gets the connection. A client without `pipeline` must not get a statement
 * while it works on another one: `pg` warns, and will refuse it from version 9 on. A `pg-pool` that does not know
 * `onConnect` has the question asked at its event, as before.
 */
function askFirst(pool: pg.Pool): void {
  if (asking.has(pool)) return;
  asking.add(pool);
  const { onConnect } = pool.options;
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, although its types do not say so
  pool.options.onConnect = async (client: pg.ClientBase) => {
    const before: unknown = onConnect?.(client);
    await before;
    if (pool.listenerCount('connect') > 0) await askedOnce(client);
  };
}

function askedOnce(client: pg.ClientBase): Server {
  const server = servers.get(client) ?? serverOf(client);
  servers.set(client, server);
  return server;
}

async function serverOf(client: pg.ClientBase): Promise<string | undefined> {
  try {
    const { rows } = await client.query<{ server: string }>(SERVER);
    return rows[0]?.server;
  } catch {
    return undefined;
  }
}

/**
 * The bounds of a connection, as options of `pg`, for code that opens connections without `createPool`.
 *
 * They are set by the first statement of the connection, not by `options`. A URL with `options` of its own replaces
 * those of a program, and a pooler ignores or refuses them.
 *
 * @param furtherSettings further settings of the session, for example `lock_timeout`
 */
export function connectionBounds(
  address: PostgresAddress,
  furtherSettings: Readonly<Record<string, string>> = {},
): pg.PoolConfig {
  const settings = {
    timezone: 'UTC',
    datestyle: 'ISO, MDY',
    statement_timeout: String(address.transactionMsMax),
    transaction_timeout: String(address.transactionMsMax),
    // A process that is stopped in the middle of a transaction must not keep its locks.
    idle_in_transaction_session_timeout: String(address.transactionMsMax),
    ...furtherSettings,
  };
  const text = Object.entries(settings).map(([name, value]) => `SET SESSION ${name} = '${value}'`);
  return {
    keepAlive: true,
    // The client measures this time itself, because a connection without a peer gives no answer at all.
    query_timeout: address.transactionMsMax + 1_000,
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, although its types do not say so
    onConnect: async (client: pg.ClientBase) => {
      await client.query(text.join('; '));
    },
  };
}
