/**
 * Sets rows of a further consumer's inbox aside whose sequences have other messages now.
 *
 *   before:   (stream 7, sequence 41) = event a, which the brokers have lost      delivered: event b at sequence 41
 *   after:    (stream 9, sequence 41) = event a                                   (stream 7, sequence 41) is free for b
 *
 * Brokers that went back lost messages that this consumer had processed and `store` had not. So `store` finds its own history
 * unchanged, and a new incarnation would have it read everything again. The effect of a lost event stays, and so does its id:
 * only the number changes under which its sequence is kept. Stream 9 is a name that no stream has.
 */
import type { Pool } from 'pg';
import { inboxTableNames } from './inbox-tables.js';
import { followFirsts, inTransaction, LOCK_BATCHES, moveRows } from './moved-rows.js';

const INSERT_ASIDE = `
INSERT INTO sekali.stream (name, created, revision)
SELECT $1, $2, coalesce(max(revision), 0) + 1 FROM sekali.stream WHERE name = $1 AND created = $2
RETURNING stream_id`;

/**
 * Sets aside what an inbox has under some sequences of an incarnation. See the head of this file.
 *
 * @param stream the name of the stream
 * @param inbox a further consumer's, not `store`
 * @param foreign sequences under which the stream has other messages than the inbox
 * @throws what the database says; then nothing has changed
 */
export async function setForeignAside(
  pool: Pool,
  stream: string,
  inbox: string,
  { streamId, seqs }: { readonly streamId: number; readonly seqs: readonly number[] },
): Promise<void> {
  const tables = inboxTableNames(inbox);
  await inTransaction(pool, async (database) => {
    // No batch of this inbox is decided meanwhile.
    await database.query(LOCK_BATCHES, [tables.key, streamId]);
    const { rows } = await database.query<{ stream_id: number }>(INSERT_ASIDE, [
      `${stream}-set-aside`,
      inbox,
    ]);
    const aside = rows[0]?.stream_id;
    await database.query(moveRows(tables, 'seq = ANY($3::bigint[])'), [streamId, aside, seqs]);
    await database.query(followFirsts(tables), [aside]);
    await database.query(`DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq = ANY($2::bigint[])`, [
      streamId,
      seqs,
    ]);
  });
}
