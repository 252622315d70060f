/** Numbers for the makings of streams: the small key under which sequences are stored. */
import type { Queryable } from './queryable.js';

const SELECT_STREAM = `SELECT stream_id FROM sekali.stream WHERE name = $1 AND created = $2`;
const INSERT_STREAM = `INSERT INTO sekali.stream (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`;

/**
 * The number of one making of a stream, given on first sight.
 *
 * @param incarnation name, and the instant of making as the brokers write it
 */
export async function streamIdOf(
  database: Queryable,
  incarnation: { readonly name: string; readonly created: string },
): Promise<number> {
  const key = [incarnation.name, incarnation.created];
  for (;;) {
    const { rows } = await database.query<{ stream_id: number }>(SELECT_STREAM, key);
    if (rows[0]) return rows[0].stream_id;
    await database.query(INSERT_STREAM, key);
  }
}
