/**
 * What operators did with dead letters: each replay and each drop, with who did it and why.
 *
 * An action names its dead letter by the sequence and the time of publication. The number of the incarnation is not
 * part of it, because a worker that registers a new incarnation moves rows to it.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.dead_letter_action (
  action_id uuid NOT NULL DEFAULT gen_random_uuid(),
  consumer text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  published_at timestamptz NOT NULL,
  number integer NOT NULL,
  kind text NOT NULL,
  key_id text,
  key_name text,
  reason text,
  topic text COLLATE "C",
  event_id text COLLATE "C",
  body bytea,
  acted_at timestamptz NOT NULL DEFAULT now(),
  replay_seq bigint,
  replayed_at timestamptz,
  CONSTRAINT dead_letter_action_id PRIMARY KEY (action_id),
  CONSTRAINT dead_letter_action_number UNIQUE (consumer, seq, published_at, number),
  CONSTRAINT dead_letter_action_kind CHECK (
    kind = 'replay' AND topic IS NOT NULL AND event_id IS NOT NULL OR kind = 'drop' AND reason IS NOT NULL)
);
COMMENT ON TABLE sekali.dead_letter_action IS 'Replays and drops of dead letters, with the key that asked for them and why';
COMMENT ON COLUMN sekali.dead_letter_action.number IS 'Actions on one dead letter are counted, so two clients cannot begin the same one';
COMMENT ON COLUMN sekali.dead_letter_action.body IS 'What is published; null is the message as it came';
COMMENT ON COLUMN sekali.dead_letter_action.replay_seq IS 'Where the brokers have the replay; null until they acknowledged it';
`;

/** Creates `sekali.dead_letter_action`. */
export class DeadLetterActions1732540000000 implements MigrationInterface {
  readonly name = 'DeadLetterActions1732540000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose the actions. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
