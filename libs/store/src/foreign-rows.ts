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
import { inTransaction } from './divergence.js';
import { inboxTableNames, type InboxTableNames } from './inbox-tables.js';

const LOCK_BATCHES = `SELECT pg_advisory_xact_lock(hashtext($1), $2::integer)`;

const INSERT_ASIDE = `
INSERT INTO sekali.stream (name, created, revision)
SELECT $1, $2, coalesce(max(revision), 0) + 1 FROM sekali.stream WHERE name = $1 AND created = $2
RETURNING stream_id`;

/** Rows change their number, and their counts go with them. */
function moveRows(tables: InboxTableNames): string {
  const wanted = 'WHERE stream_id = $1 AND seq = ANY($3::bigint[])';
  return `
WITH stored AS (UPDATE ${tables.key} SET stream_id = $2 ${wanted} RETURNING topic),
repeated AS (UPDATE ${tables.duplicate} SET stream_id = $2 ${wanted} RETURNING topic, conflict),
dead AS (UPDATE ${tables.dead_letter} SET stream_id = $2 ${wanted} RETURNING topic),
moved AS (
  SELECT topic, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts, sum(dead) AS dead
  FROM (
    SELECT topic, 1 AS stored, 0 AS duplicates, 0 AS conflicts, 0 AS dead FROM stored
    UNION ALL SELECT topic, 0, 1, conflict::integer, 0 FROM repeated
    UNION ALL SELECT topic, 0, 0, 0, 1 FROM dead
  ) each GROUP BY topic
)
INSERT INTO ${tables.counter} AS counter
  (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT side.stream_id, topic, 0, side.sign * stored, side.sign * duplicates, side.sign * conflicts, side.sign * dead, 0
FROM moved CROSS JOIN (VALUES ($1::integer, -1), ($2::integer, 1)) AS side (stream_id, sign)
ORDER BY 1, 2
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET
  stored = counter.stored + excluded.stored,
  duplicates = counter.duplicates + excluded.duplicates,
  conflicts = counter.conflicts + excluded.conflicts,
  dead_letters = counter.dead_letters + excluded.dead_letters`;
}

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
    await database.query(moveRows(tables), [streamId, rows[0]?.stream_id, seqs]);
    await database.query(`DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq = ANY($2::bigint[])`, [
      streamId,
      seqs,
    ]);
  });
}
