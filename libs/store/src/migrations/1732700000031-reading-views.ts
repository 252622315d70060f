/**
 * Views for people and programs that read with SQL. Their columns stay, also where the tables change.
 *
 * They run with the rights of setup, so a reader of a view needs no right to the tables below it.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const EVENTS = `
CREATE VIEW sekali.events AS
SELECT topic, event_id, source, "timestamp", payload, stream_id, seq, published_at, stored_at FROM sekali.event;
COMMENT ON VIEW sekali.events IS 'What is stored. A condition on stored_at leaves out whole days; one on topic uses an index';
`;

const DUPLICATES = `
CREATE VIEW sekali.duplicates AS
SELECT topic, event_id, conflict, stream_id, seq, first_stream_id, first_seq, published_at, recorded_at FROM sekali.duplicate;
COMMENT ON VIEW sekali.duplicates IS 'Messages that repeated an event that was stored, conflicts included; brokers dropped others before';
`;

// The key says when the first event was stored, and thereby in which day it is.
const CONFLICTS = `
CREATE VIEW sekali.conflicts AS
SELECT repeat.topic, repeat.event_id, repeat.payload, stored.payload AS first_payload,
  repeat.stream_id, repeat.seq, repeat.first_stream_id, repeat.first_seq, repeat.published_at, repeat.recorded_at
FROM sekali.duplicate repeat
LEFT JOIN sekali.event_key key ON key.topic = repeat.topic AND key.event_id = repeat.event_id
LEFT JOIN sekali.event stored
  ON stored.stream_id = key.stream_id AND stored.seq = key.seq AND stored.stored_at = key.stored_at
WHERE repeat.conflict;
COMMENT ON VIEW sekali.conflicts IS 'Repeats with another payload, which was not stored. first_payload is that of the event; null when it was dropped by age';
`;

const DEAD_LETTERS = `
CREATE VIEW sekali.dead_letters AS
SELECT letter.topic, letter.event_id, letter.subject, letter.reason, letter.detail, letter.body, letter.deliveries,
  letter.stream_id, letter.seq, letter.published_at, letter.recorded_at,
  last.kind AS last_action, last.acted_at AS last_action_at, last.key_name AS last_action_by, last.reason AS last_action_reason
FROM sekali.dead_letter letter
LEFT JOIN LATERAL (
  SELECT kind, acted_at, key_name, reason FROM sekali.dead_letter_action action
  WHERE action.consumer = 'store' AND action.seq = letter.seq AND action.published_at = letter.published_at
  ORDER BY number DESC LIMIT 1
) last ON true;
COMMENT ON VIEW sekali.dead_letters IS 'Messages that were given up, with the last replay or drop of each';
`;

const COUNTS = `
CREATE VIEW sekali.counts AS
SELECT topic, beginning,
  CASE kind WHEN 'day' THEN interval '1 day' WHEN 'hour' THEN interval '1 hour' WHEN 'before' THEN NULL ELSE interval '1 minute' END AS length,
  sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates, sum(conflicts)::bigint AS conflicts,
  sum(dead_letters)::bigint AS dead_letters
FROM sekali.histogram
GROUP BY topic, beginning, 3;
COMMENT ON VIEW sekali.counts IS 'How many messages were settled when, by topic. Duplicates include conflicts. Without a length, it is what was settled before beginning';
`;

/** Creates the views. Setup grants them. */
export class ReadingViews1732700000031 implements MigrationInterface {
  readonly name = 'ReadingViews1732700000031';

  async up(runner: QueryRunner): Promise<void> {
    for (const view of [EVENTS, DUPLICATES, CONFLICTS, DEAD_LETTERS, COUNTS]) await runner.query(view);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
