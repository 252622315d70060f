/** The streams that the database knows, by their names. */
import type { Queryable } from '#postgres';

const STREAM_NAMES = `SELECT DISTINCT name FROM sekali.stream ORDER BY name`;

/** Returns the names of all streams that the database knows. */
export async function streamNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(STREAM_NAMES);
  return rows.map((row) => row.name);
}

const LATEST_OF_NAME = `
SELECT identity, bool_or(identity = $2) OVER () AS known
FROM sekali.stream WHERE name = $1 ORDER BY stream_id DESC LIMIT 1`;

/**
 * Finds the identity by which the database may know a stream that has none of its own yet.
 *
 * @param created the instant of its creation, as the brokers give it; they may have changed it
 * @returns `created` where the database knows it or no stream of the name; otherwise the identity of the newest one
 */
export async function knownIdentity(database: Queryable, name: string, created: string): Promise<string> {
  const { rows } = await database.query<{ identity: string; known: boolean }>(LATEST_OF_NAME, [
    name,
    created,
  ]);
  const latest = rows[0];
  return latest === undefined || latest.known ? created : latest.identity;
}
