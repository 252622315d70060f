/** The incarnations of streams that the ledger knows: the registry of the library, in the aggregator's own table. */
import { type Incarnation, type StreamKey, StreamRegistry } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';

/** Programs of the version before write the identity by the column's older name, and so does this one. */
export const REGISTRY = new StreamRegistry('sekali.stream', 'created');

/** The newest incarnation of a stream; `undefined` when the database has never heard of it. */
export function findIncarnation(database: Queryable, key: StreamKey): Promise<Incarnation | undefined> {
  return REGISTRY.find(database, key);
}

/** The newest incarnation of a stream, given a number on first sight. */
export function incarnationOf(database: Queryable, key: StreamKey): Promise<Incarnation> {
  return REGISTRY.of(database, key);
}

const STREAM_NAMES = `SELECT DISTINCT name FROM sekali.stream ORDER BY name`;

/** The names of all streams that the database has heard of. */
export async function streamNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(STREAM_NAMES);
  return rows.map((row) => row.name);
}

const LATEST_OF_NAME = `
SELECT identity, bool_or(identity = $2) OVER () AS known
FROM sekali.stream WHERE name = $1 ORDER BY stream_id DESC LIMIT 1`;

/**
 * The identity under which the database may know a stream that has none of its own yet: the instant of its creation, or
 * what the newest stream of its name is known by, where the brokers changed that instant.
 */
export async function knownIdentity(database: Queryable, name: string, created: string): Promise<string> {
  const { rows } = await database.query<{ identity: string; known: boolean }>(LATEST_OF_NAME, [
    name,
    created,
  ]);
  const latest = rows[0];
  return latest === undefined || latest.known ? created : latest.identity;
}

/** The number of the newest incarnation of a stream, given on first sight. */
export async function streamIdOf(database: Queryable, key: StreamKey): Promise<number> {
  return (await incarnationOf(database, key)).streamId;
}
