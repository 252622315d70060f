/**
 * The way into Postgres: TypeORM for the schema, a bare pool for everything else.
 *
 * Every connection carries its own bounds. A statement that hangs, a transaction that a stopped process left
 * open, or a peer that vanished must each end by themselves, or the rows they hold stay locked.
 */
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { LOCK_MS_MAX } from './lock-bound.js';
import { Initial1732233600000 } from './migrations/1732233600000-initial.js';
import { ApiKeys1732320000000 } from './migrations/1732320000000-api-keys.js';
import { StreamIncarnations1732406400000 } from './migrations/1732406400000-stream-incarnations.js';

/** How to reach the database, and how long anything may take there. */
export interface StoreAddress {
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  readonly connectionsMax: number;
  /** One statement or one transaction, in milliseconds. */
  readonly transactionMsMax: number;
}

const CONNECT_MS_MAX = 5_000;

/** Every migration there is, oldest first. */
export const migrations = [Initial1732233600000, ApiKeys1732320000000, StreamIncarnations1732406400000];

/**
 * A TypeORM data source on schema `sekali`, for changing it: it waits for no lock longer than `LOCK_MS_MAX`. It is not
 * connected yet: call `initialize()`.
 */
export async function createDataSource(address: StoreAddress): Promise<DataSource> {
  // Loaded where the schema is changed, and only there: gateways and workers would hold 11 MB of it for nothing.
  const { DataSource } = await import('typeorm');
  return new DataSource({
    type: 'postgres',
    url: address.url,
    schema: 'sekali',
    applicationName: address.name,
    poolSize: address.connectionsMax,
    connectTimeoutMS: CONNECT_MS_MAX,
    migrations,
    migrationsTableName: 'migration',
    logging: false,
    extra: connectionBounds(address, ` -c lock_timeout=${LOCK_MS_MAX}`),
  });
}

/** A pool for the hot path. The caller ends it. */
export function createPool(address: StoreAddress): pg.Pool {
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

function connectionBounds(address: StoreAddress, furtherOptions = ''): pg.ClientConfig {
  return {
    keepAlive: true,
    // The client's own clock: a black-holed connection gives no answer at all.
    query_timeout: address.transactionMsMax + 1_000,
    statement_timeout: address.transactionMsMax,
    // A process stopped in mid-transaction must not keep its locks.
    idle_in_transaction_session_timeout: address.transactionMsMax,
    options: `-c transaction_timeout=${address.transactionMsMax} -c timezone=UTC${furtherOptions}`,
  };
}
