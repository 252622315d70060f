/**
 * A stream may lose its newest messages and give their sequences to others, when brokers are restored or lose power.
 * From then on it is another incarnation, which shares the earlier messages with the one on which it is based.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
ALTER TABLE sekali.stream
  ADD COLUMN identity text GENERATED ALWAYS AS (created) STORED,
  ADD COLUMN revision integer NOT NULL DEFAULT 1,
  ADD COLUMN base_stream_id integer,
  ADD COLUMN base_seq bigint NOT NULL DEFAULT 0,
  DROP CONSTRAINT stream_incarnation,
  ADD CONSTRAINT stream_incarnation UNIQUE (name, created, revision),
  ADD CONSTRAINT stream_base UNIQUE (base_stream_id),
  ADD CONSTRAINT stream_base_known FOREIGN KEY (base_stream_id) REFERENCES sekali.stream (stream_id);
COMMENT ON TABLE sekali.stream IS 'Each incarnation of a stream: a sequence means nothing without it';
COMMENT ON COLUMN sekali.stream.created IS 'The identity of a stream: what its metadata says, or the instant of its creation where it says nothing';
COMMENT ON COLUMN sekali.stream.identity IS 'The same: programs of the version before know the column that is written by its older name';
COMMENT ON COLUMN sekali.stream.base_seq IS 'Up to this sequence the messages and the rows are those of the base';

CREATE TABLE sekali.consumer_start (
  stream_id integer NOT NULL,
  consumer text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT consumer_start_incarnation PRIMARY KEY (stream_id, consumer)
);
COMMENT ON TABLE sekali.consumer_start IS 'Consumers that were put back to where an incarnation begins';
`;

/** Adds revisions to `sekali.stream`, and `sekali.consumer_start`. */
export class StreamIncarnations1732406400000 implements MigrationInterface {
  readonly name = 'StreamIncarnations1732406400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose events. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
