/**
 * Indexes by event for dead letters and the actions on them, so that the story of one event reads no others.
 *
 * They cost an event nothing: only a dead letter, or an action of an operator, enters them.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

// Every consumer has dead letters of its own. Later tables are likenesses of the first, with its indexes.
const UP = `
DO $body$
DECLARE
  letters text;
BEGIN
  FOR letters IN
    SELECT relname FROM pg_class
    WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname ~ '^([a-z][a-z0-9_]*_)?dead_letter$'
  LOOP
    EXECUTE format('CREATE INDEX %I ON sekali.%I (topic, event_id)', letters || '_event', letters);
  END LOOP;
END
$body$;
CREATE INDEX dead_letter_action_event ON sekali.dead_letter_action (topic, event_id);
`;

/** Creates the indexes. */
export class EventStory1732545000000 implements MigrationInterface {
  readonly name = 'EventStory1732545000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
