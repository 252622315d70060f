/** The state of the server, as any role may read it. */
import type { Queryable } from '#postgres';

/** Postgres at one moment. */
export interface DatabaseState {
  readonly version: string;
  readonly startedAt: Date;
  readonly bytes: number;
  /** Of this database. */
  readonly connections: number;
  /** Of the whole server. */
  readonly connectionsMax: number;
  /** Servers that follow this one. */
  readonly standbys: number;
}

const STATE = `
SELECT current_setting('server_version') AS version, pg_postmaster_start_time() AS "startedAt",
  pg_database_size(current_database())::float8 AS bytes,
  (SELECT numbackends FROM pg_stat_database WHERE datname = current_database()) AS connections,
  current_setting('max_connections')::integer AS "connectionsMax",
  (SELECT count(*)::integer FROM pg_stat_replication) AS standbys`;

/** Reads the state of the server. */
export async function databaseState(database: Queryable): Promise<DatabaseState> {
  const { rows } = await database.query<DatabaseState & Record<string, unknown>>(STATE);
  if (rows[0] === undefined) throw new Error('the database has no state');
  return rows[0];
}
