/**
 * The pool, and the bounds that every connection carries.
 *
 * A statement that hangs, a transaction that a stopped process left open, or a peer that vanished must each end by
 * itself. Otherwise the rows it holds stay locked.
 */
import pg from 'pg';

/** How to reach the database, and how long anything may take there. */
export interface PostgresAddress {
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  readonly connectionsMax: number;
  /** One statement or one transaction, in milliseconds. */
  readonly transactionMsMax: number;
}

/** How long a new connection may take to stand. */
export const CONNECT_MS_MAX = 5_000;

/** A pool for the hot path. The caller ends it. */
export function createPool(address: PostgresAddress): pg.Pool {
  const pool = new pg.Pool({
    connectionString: address.url,
    application_name: address.name,
    max: address.connectionsMax,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    // Statements that a caller does not wait for one by one go out together.
    pipeline: true,
    ...connectionBounds(address),
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/**
 * The bounds of a connection, as options of `pg`, for whatever opens connections without `createPool`.
 *
 * They are set by a statement, before anything else is asked. A URL with `options` of its own replaces those of a
 * program, and a pooler between them ignores or refuses them.
 *
 * @param furtherSettings settings of the session in addition, for example `lock_timeout`
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
    // A process stopped in mid-transaction must not keep its locks.
    idle_in_transaction_session_timeout: String(address.transactionMsMax),
    ...furtherSettings,
  };
  const text = Object.entries(settings).map(([name, value]) => `SET SESSION ${name} = '${value}'`);
  return {
    keepAlive: true,
    // The client's own clock: a black-holed connection gives no answer at all.
    query_timeout: address.transactionMsMax + 1_000,
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool waits for it, whatever its types say
    onConnect: async (client: pg.ClientBase) => {
      await client.query(text.join('; '));
    },
  };
}
