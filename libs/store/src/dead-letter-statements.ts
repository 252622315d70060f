/**
 * The statements that read the dead letters of one inbox, with what became of each.
 *
 * A replay is a message of its own. If it fails again, its own row is not shown: the dead letter that was replayed is
 * open again. The header of the replay names its action, and no other program knows the number of an action.
 */
import type { InboxTables } from '#idempotent-consumer/postgres';
import { instantText } from './event-queries.js';

/** The header of a replay, which names its action. */
export const REPLAY_HEADER = 'Sekali-Replay';

/** Characters of a detail that decide to which group it belongs. */
const COMPARED_LENGTH = 500;
const MESSAGE_LENGTH = 200;

/**
 * The detail without what differs from message to message: quoted texts and numbers. The parser's own message quotes a
 * part of the JSON, which may contain quotes itself.
 */
const MESSAGE = `left(regexp_replace(regexp_replace(left(detail, ${COMPARED_LENGTH}),
    CASE reason WHEN 'not_json' THEN '".*"' ELSE '"[^"]*"|''[^'']*''' END, '"*"', 'g'), '[0-9]+', '#', 'g'), ${MESSAGE_LENGTH})`;
const FINGERPRINT = `left(md5(reason || ' ' || ${MESSAGE}), 12)`;

const COLUMNS = `stream_id, seq, topic, event_id, subject, reason, detail, deliveries, published_at, recorded_at,
  octet_length(body) AS body_bytes, substring(headers from '"${REPLAY_HEADER}":\\["([0-9a-f-]{36})"\\]') AS replay`;

/** $4 is null, or lists topics. Each of these is walked along its own part of an index. */
const walkOf = (table: string, byTopic: boolean): string =>
  byTopic
    ? `SELECT near.* FROM unnest($4::text[]) AS asked (name) CROSS JOIN LATERAL (
    SELECT ${COLUMNS} FROM ${table} WHERE topic = asked.name AND stream_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3
  ) near`
    : `SELECT ${COLUMNS} FROM ${table} WHERE stream_id = $1 AND seq < $2 AND $4::text[] IS NULL
  ORDER BY seq DESC LIMIT $3`;

const ENDS = {
  all: `CASE WHEN count(*) = $3 THEN min(seq) END`,
  byTopic: `(SELECT max(last) FROM (SELECT min(seq) AS last FROM walked GROUP BY topic HAVING count(*) = $3) unfinished)`,
};

/**
 * What the consumer made of a replay: `stored`, `duplicate`, `dead_letter`; `in_flight` if it has not decided yet.
 *
 * @param action the alias of the row in `sekali.dead_letter_action`
 */
export function fateOf(tables: InboxTables, action: string): string {
  const under = (table: string): string => `SELECT FROM sekali.stream incarnation JOIN ${table} settled
      ON settled.stream_id = incarnation.stream_id AND settled.seq = ${action}.replay_seq`;
  return `CASE
    WHEN ${action}.replay_seq IS NULL THEN NULL
    WHEN (SELECT settled.seq FROM ${tables.key} settled
          WHERE settled.topic = ${action}.topic AND settled.event_id = ${action}.event_id) = ${action}.replay_seq THEN 'stored'
    WHEN EXISTS (${under(tables.duplicate)}
      WHERE settled.topic = ${action}.topic AND settled.event_id = ${action}.event_id) THEN 'duplicate'
    WHEN EXISTS (${under(tables.deadLetter)} WHERE settled.recorded_at >= ${action}.acted_at) THEN 'dead_letter'
    ELSE 'in_flight' END`;
}

/** Adds the last action and the state to rows of `letter`. $11 is the consumer. */
const stateJoin = (tables: InboxTables): string => `
  LEFT JOIN LATERAL (
    SELECT action.*, ${fateOf(tables, 'action')} AS fate
    FROM sekali.dead_letter_action action
    WHERE action.consumer = $11 AND action.seq = letter.seq AND action.published_at = letter.published_at
    ORDER BY number DESC LIMIT 1
  ) last ON true`;

const STATE = `CASE
    WHEN last.kind = 'drop' THEN 'dropped'
    WHEN last.fate IN ('stored', 'duplicate') THEN last.fate
    WHEN last.fate = 'in_flight' OR last.kind IS NOT NULL AND last.fate IS NULL THEN 'replaying'
    ELSE 'open' END`;

/**
 * $1 incarnation, $2 the sequence above the walk, $3 rows of it (of each topic, if there are topics), $4 topics,
 * $5 reason, $6 fingerprint, $7 since, $8 until, $9 states, $10 rows of the answer, $11 consumer.
 */
function judged(tables: InboxTables, byTopic: boolean): string {
  return `
WITH walked AS MATERIALIZED (
  ${walkOf(tables.deadLetter, byTopic)}
), ended AS (
  SELECT count(*)::integer AS walked, ${byTopic ? ENDS.byTopic : ENDS.all} AS seq FROM walked
), matching AS (
  SELECT walked.*, ${MESSAGE} AS message, ${FINGERPRINT} AS fingerprint FROM walked CROSS JOIN ended
  WHERE (ended.seq IS NULL OR walked.seq >= ended.seq)
    AND ($5::text IS NULL OR reason = $5)
    AND ($7::timestamptz IS NULL OR recorded_at >= $7)
    AND ($8::timestamptz IS NULL OR recorded_at < $8)
    AND ($6::text IS NULL OR ${FINGERPRINT} = $6)
    AND (replay IS NULL OR NOT EXISTS (
      SELECT FROM sekali.dead_letter_action own WHERE own.action_id = replay::uuid AND own.consumer = $11))
), letter AS (
  SELECT letter.*, coalesce(last.number, 0) AS actions, last.kind AS last_kind, last.key_name AS last_by,
    last.reason AS last_reason, last.acted_at AS last_at, last.replay_seq AS last_seq, ${STATE} AS state
  FROM matching letter ${stateJoin(tables)}
)`;
}

const ENTRY = `letter.stream_id, letter.seq::float8 AS seq, letter.topic, letter.event_id, letter.subject, letter.reason,
  letter.detail, letter.deliveries, letter.body_bytes, letter.fingerprint, letter.state, letter.actions, letter.published_at,
  ${instantText('letter.recorded_at')} AS recorded_at, letter.last_kind, letter.last_by, letter.last_reason,
  letter.last_seq::float8 AS last_seq, ${instantText('letter.last_at')} AS last_at`;

/** Reads dead letters, newest first. The first row has `walked` and `end_seq` also when no dead letter matches. */
export function entriesStatement(tables: InboxTables, byTopic: boolean): string {
  return `${judged(tables, byTopic)}
SELECT ended.walked, ended.seq::float8 AS end_seq, ${ENTRY}
FROM ended LEFT JOIN (
  SELECT * FROM letter WHERE state = ANY ($9::text[]) ORDER BY seq DESC LIMIT $10
) letter ON true
ORDER BY letter.seq DESC`;
}

/** Counts dead letters by reason and fingerprint. The first row has `walked` and `end_seq` in the same way. */
export function groupsStatement(tables: InboxTables, byTopic: boolean): string {
  return `${judged(tables, byTopic)}
SELECT ended.walked, ended.seq::float8 AS end_seq, found.*
FROM ended LEFT JOIN (
  SELECT reason, fingerprint, min(message) AS message, count(*)::float8 AS count,
    (array_agg(topic ORDER BY seq DESC))[1] AS topic, count(DISTINCT topic)::integer AS topics,
    ${instantText('min(recorded_at)')} AS first_at, ${instantText('max(recorded_at)')} AS last_at,
    max(seq)::float8 AS seq, (array_agg(published_at ORDER BY seq DESC))[1] AS published_at
  FROM letter WHERE state = ANY ($9::text[])
  GROUP BY reason, fingerprint ORDER BY count(*) DESC LIMIT $10
) found ON true`;
}

/**
 * Reads one dead letter: $1 the sequence, $2 the time of publication, $3 bytes of the body at most. What became of it
 * follows from its history.
 */
export function oneStatement(tables: InboxTables): string {
  return `
SELECT stream_id, seq::float8 AS seq, topic, event_id, subject, reason, detail, deliveries, published_at,
  octet_length(body) AS body_bytes, ${FINGERPRINT} AS fingerprint, ${instantText('recorded_at')} AS recorded_at, headers,
  substring(body from 1 for $3) AS body
FROM (
  SELECT dead.* FROM sekali.stream incarnation CROSS JOIN LATERAL (
    SELECT * FROM ${tables.deadLetter} WHERE stream_id = incarnation.stream_id AND seq = $1 AND published_at = $2
  ) dead LIMIT 1
) found`;
}

/** Reads the actions on one dead letter, oldest first: $1 consumer, $2 the sequence, $3 the time of publication. */
export function historyStatement(tables: InboxTables): string {
  return `
SELECT action.action_id, action.number, action.kind, action.key_id, action.key_name, action.reason, action.topic,
  action.event_id, action.body, ${instantText('action.acted_at')} AS acted_at, action.replay_seq::float8 AS replay_seq,
  ${instantText('action.replayed_at')} AS replayed_at, ${fateOf(tables, 'action')} AS fate,
  failed.reason AS failed_reason, failed.detail AS failed_detail
FROM sekali.dead_letter_action action
LEFT JOIN LATERAL (
  SELECT dead.reason, dead.detail FROM sekali.stream incarnation
  JOIN ${tables.deadLetter} dead ON dead.stream_id = incarnation.stream_id AND dead.seq = action.replay_seq
  WHERE dead.recorded_at >= action.acted_at LIMIT 1
) failed ON true
WHERE action.consumer = $1 AND action.seq = $2 AND action.published_at = $3
ORDER BY action.number`;
}
