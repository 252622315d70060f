import type { Pool } from 'pg';
import { followFirsts, LOCK_BATCHES, moveRows } from '#idempotent-consumer/postgres';
import { transact } from '#postgres';
import { storeInboxTables } from './inbox-tables.js';

const INSERT_ASIDE = `
INSERT INTO sekali.stream (name, created, revision)
SELECT $1, $2, coalesce(max(revision), 0) + 1 FROM sekali.stream WHERE name = $1 AND created = $2
RETURNING stream_id`;

/**
 * Moves rows of a further consumer's inbox to another number when their sequences have other messages now.
 *
 *   before:   (stream 7, sequence 41) = event a, which the brokers have lost      delivered: event b at sequence 41
 *   after:    (stream 9, sequence 41) = event a                                   (stream 7, sequence 41) is free for b
 *
 * Restored brokers lost messages that this consumer had processed and `store` had not. So `store` finds its own history
 * unchanged, and a new incarnation would make it read everything again. The effect of a lost event stays, and so does
 * its id. Only the stream number of its sequence changes. Number 9 has a name that no stream has.
 *
 * @param stream the name of the stream
 * @param inbox the inbox of a further consumer, not `store`
 * @param foreign the sequences under which the stream has other messages than the inbox, and their stream number
 * @throws the error of the database; nothing has changed
 */
export async function setForeignAside(
  pool: Pool,
  stream: string,
  inbox: string,
  { streamId, seqs }: { readonly streamId: number; readonly seqs: readonly number[] },
): Promise<void> {
  const tables = storeInboxTables(inbox);
  await transact(pool, async (database) => {
    // With this lock, no batch of this inbox is decided meanwhile.
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
