/** The secret that gateways key the digests in message ids with. Setup draws it once. */
import { isMissingTable, type Queryable } from '#postgres';

const SECRET = `SELECT secret FROM sekali.message_id_secret`;

/**
 * Returns the secret: 64 hexadecimal digits.
 *
 * @returns `undefined` where the schema is older than the secret
 * @throws when the database does not answer, or this role may not read it
 */
export async function messageIdSecret(database: Queryable): Promise<string | undefined> {
  try {
    const { rows } = await database.query<{ secret: string }>(SECRET);
    return rows[0]?.secret;
  } catch (error) {
    if (isMissingTable(error)) return undefined;
    throw error;
  }
}
