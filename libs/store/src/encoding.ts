/** Which databases can hold events: those in UTF-8. */
import type { DataSource } from 'typeorm';

/** The database is in another encoding than UTF-8. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}

const ENCODING = `SELECT current_database() AS name, current_setting('server_encoding') AS encoding`;

/**
 * Looks at the encoding of a database. In any other than UTF-8, Postgres refuses characters that a valid event may have,
 * and events that were accepted would become dead letters.
 *
 * @throws EncodingError, which says how to make a database that will do
 */
export async function refuseOtherEncoding(dataSource: DataSource): Promise<void> {
  const [found] = await dataSource.query<{ name: string; encoding: string }[]>(ENCODING);
  if (found === undefined || found.encoding === 'UTF8') return;
  throw new EncodingError(
    `the database ${found.name} is in ${found.encoding}, which cannot hold every event: make one in UTF-8, for example ` +
      `CREATE DATABASE sekali_utf8 ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0, and name it in SEKALI_POSTGRES_URL`,
  );
}
