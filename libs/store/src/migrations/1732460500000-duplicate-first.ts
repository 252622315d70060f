/**
 * Duplicates are found by the sequence of their first message, no longer by its id.
 *
 * The new index has 8 bytes a row where the old one has topic and id. Repeats mostly come soon after the first message,
 * and then enter the index at its end. With random ids, each entered the old index on another page.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The indexes by id, of `duplicate` and of its likenesses in further inboxes, where nothing reads it. */
const BY_ID = `
SELECT indexrelid::regclass::text AS name
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'sekali'::regnamespace AND relname ~ '^(.*_)?duplicate$'
  AND NOT indisunique AND pg_get_indexdef(indexrelid) LIKE '%(topic, event_id)'
ORDER BY 1`;

/** Replaces `duplicate_identity` by `duplicate_first`. Programs of the previous version read without it. */
export class DuplicateFirst1732460500000 implements MigrationInterface {
  readonly name = 'DuplicateFirst1732460500000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('SET lock_timeout = 0');
    // An interrupted run leaves an invalid index.
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS sekali.duplicate_first');
    await runner.query('CREATE INDEX CONCURRENTLY duplicate_first ON sekali.duplicate (first_seq)');
    // The old index goes last, so that one of both exists at any time.
    for (const { name } of (await runner.query(BY_ID)) as { name: string }[])
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
    await runner.query('RESET lock_timeout');
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
