/**
 * The first schema.
 *
 * Every stream sequence ends as one row of `event_key` (stored), `duplicate` or `dead_letter`. Together, these tables
 * are the ledger. Identity is in `event_key`, apart from the payloads, for two reasons. A table partitioned by day
 * cannot have a unique constraint over all days, and ids are remembered after payloads are dropped.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE SCHEMA IF NOT EXISTS sekali;

CREATE TABLE sekali.stream (
  stream_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  created text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT stream_incarnation UNIQUE (name, created)
);
COMMENT ON TABLE sekali.stream IS 'Each making of a stream: a sequence means nothing without it';

CREATE TABLE sekali.event_key (
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  digest bigint NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT event_key_identity PRIMARY KEY (topic, event_id),
  CONSTRAINT event_key_sequence UNIQUE (stream_id, seq)
);
COMMENT ON COLUMN sekali.event_key.digest IS 'Of the payload as text: equal means the same payload, different means look closer';

CREATE TABLE sekali.event (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  "timestamp" timestamptz NOT NULL,
  payload jsonb NOT NULL,
  published_at timestamptz NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT event_sequence PRIMARY KEY (stream_id, seq, stored_at)
) PARTITION BY RANGE (stored_at);
CREATE INDEX event_topic ON sekali.event (topic, stream_id, seq);
CREATE INDEX event_source ON sekali.event (source, stream_id, seq);
CREATE INDEX event_timestamp ON sekali.event ("timestamp");
CREATE TABLE sekali.event_default PARTITION OF sekali.event DEFAULT;

CREATE TABLE sekali.duplicate (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  first_stream_id integer NOT NULL,
  first_seq bigint NOT NULL,
  conflict boolean NOT NULL,
  payload jsonb,
  published_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT duplicate_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON COLUMN sekali.duplicate.payload IS 'Kept only where it differs from the stored one';
CREATE INDEX duplicate_identity ON sekali.duplicate (topic, event_id);

CREATE TABLE sekali.dead_letter (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C",
  subject text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  headers text,
  body bytea NOT NULL,
  deliveries integer NOT NULL,
  published_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT dead_letter_sequence PRIMARY KEY (stream_id, seq)
);
CREATE INDEX dead_letter_topic ON sekali.dead_letter (topic, stream_id, seq);

CREATE TABLE sekali.attempt (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  started integer NOT NULL,
  finished integer NOT NULL,
  last_error text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT attempt_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON TABLE sekali.attempt IS 'Messages under suspicion: started more often than finished means they end the process';

CREATE TABLE sekali.counter (
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  shard smallint NOT NULL,
  stored bigint NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  redelivered bigint NOT NULL,
  CONSTRAINT counter_topic PRIMARY KEY (stream_id, topic, shard)
) WITH (fillfactor = 50);
COMMENT ON COLUMN sekali.counter.shard IS 'Transactions at work at the same time count in different rows; the sum is the figure';

CREATE TABLE sekali.broker_duplicate (
  gateway uuid NOT NULL,
  topic text COLLATE "C" NOT NULL,
  dropped bigint NOT NULL,
  CONSTRAINT broker_duplicate_topic PRIMARY KEY (gateway, topic)
) WITH (fillfactor = 50);
COMMENT ON TABLE sekali.broker_duplicate IS 'Totals a gateway process saw, written as totals so that writing twice changes nothing';

CREATE TABLE sekali.horizon (
  stream_id integer PRIMARY KEY,
  seq bigint NOT NULL
);
COMMENT ON TABLE sekali.horizon IS 'Every sequence up to here is settled; only a starting point, so it may lag';
`;

/** Creates schema `sekali`. */
export class Initial1732233600000 implements MigrationInterface {
  readonly name = 'Initial1732233600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward, because going back would lose events. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
