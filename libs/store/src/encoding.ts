/** Only databases in UTF-8 can hold every event. */
import type { DataSource } from 'typeorm';

/** The encoding of the database is not UTF-8. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}

const ENCODING = `SELECT current_database() AS name, current_setting('server_encoding') AS encoding`;

/**
 * Checks the encoding of a database. In any other than UTF-8, Postgres refuses characters that a valid event may have.
 * Events that were accepted would then become dead letters.
 *
 * @throws EncodingError which says how to create a suitable database
 */
export async function refuseOtherEncoding(dataSource: DataSource): Promise<void> {
  const [found] = await dataSource.query<{ name: string; encoding: string }[]>(ENCODING);
  if (found === undefined || found.encoding === 'UTF8') return;
  throw new EncodingError(
    `the database ${found.name} is in ${found.encoding}, which cannot hold every event: create one in UTF-8, for example ` +
      `CREATE DATABASE sekali_utf8 ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0, and name it in SEKALI_POSTGRES_URL`,
  );
}
