import type { PreparedStatement } from '../effect.js';
import type { InboxTables } from './inbox-tables.js';
import { prepared } from './prepared-statement.js';

/**
 * The statements of an inbox. Each takes a whole batch as arrays.
 *
 * Rows come sorted by identity. So two workers with overlapping batches take their locks in the same order,
 * and cannot deadlock.
 */
export interface InboxStatements {
  /**
   * Begins the transaction. Its last statement returns the sequence behind which the incarnation is
   * superseded, if it is.
   *
   * @param seqs the sequences on which the batch decides
   * @param exclusive whether the batch may give messages up
   * @param statementMsMax a bound for the statements and pauses of this transaction, if it is not that of the
   *   connection
   */
  readonly begin: (
    streamId: number,
    seqs: readonly number[],
    exclusive: boolean,
    statementMsMax?: number,
  ) => string;
  /**
   * Claims ids by a plain insert. It fails with a unique violation when an id exists already, or another
   * transaction is claiming it. It inserts all rows, or none if a message was given up before.
   */
  readonly claimPlainly: string | PreparedStatement;
  /**
   * Looks ids up in this generation. It returns whether any message was decided on before, and otherwise which
   * messages only repeat a first one: same digest, another sequence. `others` have known ids, too.
   */
  readonly findFirsts: string;
  /** Claims ids, waits for such a transaction, and leaves the id to it. */
  readonly claim: string;
  /** Records what `findFirsts` found to be repeats. It fails when another transaction records one of them. */
  readonly insertRepeats: PreparedStatement;
  /** Looks ids up, and decides on messages whose ids are known. */
  readonly recordRepeats: string;
  readonly recordDuplicates: string;
  /** Of topics, ids and sequences, returns the sequences whose ids have a key in this generation. */
  readonly known: string;
  /** Of sequences, returns those that have a key in any generation. */
  readonly held: string;
  readonly recordDeadLetters: string;
  /**
   * Of sequences that were not recorded as dead letters, returns those under which another message is known.
   */
  readonly foreignDeadLetters: string;
  readonly count: PreparedStatement;
  readonly startAttempt: string;
  readonly failAttempt: string;
  readonly withdrawAttempt: string;
  /**
   * Notes that messages are processed together with others. It returns those that were not noted before, or
   * only before Postgres restarted.
   */
  readonly watch: string;
  /** Removes the notes of `watch`, and attempts that say no more than such a note. */
  readonly endWatch: string;
  readonly clearAttempts: string;
}

/**
 * Writes the statements for the tables of one inbox.
 *
 * @param generation the table in which ids are claimed and looked up; the default is generation 0. Sequences
 *   are looked up in all of them.
 */
export function inboxStatements(tables: InboxTables, generation = tables.key): InboxStatements {
  return {
    ...decisions(tables, generation),
    ...lookups(tables, generation),
    ...repeats(tables, generation),
    ...records(tables),
    ...attempts(tables),
  };
}

function decisions(
  tables: InboxTables,
  generation: string,
): Pick<InboxStatements, 'begin' | 'claimPlainly' | 'insertRepeats' | 'claim'> {
  return {
    // A batch that gives messages up excludes every other with the same sequences. Otherwise a message that
    // one worker stores while another gives it up would count twice, since no constraint spans the tables. A
    // process that registers a new incarnation excludes every batch, so what is read behind the lock stays
    // true.
    begin: (streamId, seqs, exclusive, statementMsMax) =>
      `BEGIN; ${boundedTo(statementMsMax)}SELECT pg_advisory_xact_lock_shared(hashtext('${tables.key}'), ${streamId})` +
      `${locksOn(tables, streamId, seqs, exclusive ? '' : '_shared')}; ` +
      `SELECT base_seq::float8 AS base_seq FROM ${tables.stream} WHERE base_stream_id = ${streamId}`,

    claimPlainly: claimPlainly(tables, generation),
    claim: claimInTurn(tables, generation),

    insertRepeats: prepared(`
INSERT INTO ${tables.duplicate}
  (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
SELECT $1::integer, unnest($4::bigint[]), unnest($2::text[]), unnest($3::text[]), unnest($5::bigint[]), unnest($6::bigint[]),
  false, unnest($7::timestamptz[])`),
  };
}

function lookups(
  tables: InboxTables,
  generation: string,
): Pick<InboxStatements, 'findFirsts' | 'known' | 'held'> {
  return {
    findFirsts: `
SELECT ${settledBefore(tables)} AS settled,
  array_agg(input.seq) FILTER (WHERE is_repeat)::text AS repeats,
  array_agg(key.stream_id) FILTER (WHERE is_repeat)::text AS "firstStreamIds",
  array_agg(key.seq) FILTER (WHERE is_repeat)::text AS "firstSeqs",
  array_agg(input.seq) FILTER (WHERE NOT is_repeat)::text AS others
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS input (topic, event_id, seq, digest)
CROSS JOIN LATERAL (
  SELECT stream_id, seq, key.digest = input.digest AND (key.stream_id, key.seq) <> ($1, input.seq) AS is_repeat
  FROM ONLY ${generation} key WHERE key.topic = input.topic AND key.event_id = input.event_id LIMIT 1
) key`,

    known: `
SELECT array_agg(input.seq)::text AS seqs
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS input (topic, event_id, seq)
CROSS JOIN LATERAL (
  SELECT FROM ONLY ${generation} key WHERE key.topic = input.topic AND key.event_id = input.event_id LIMIT 1
) key`,

    held: `
SELECT array_agg(input.seq)::text AS seqs
FROM unnest($2::bigint[]) AS input (seq)
CROSS JOIN LATERAL (
  SELECT FROM ${tables.key} key WHERE key.stream_id = $1 AND key.seq = input.seq LIMIT 1
) key`,
  };
}

function repeats(
  tables: InboxTables,
  generation: string,
): Pick<InboxStatements, 'recordRepeats' | 'recordDuplicates'> {
  const holder = holderOf(tables);
  return {
    // This is a separate statement, because the snapshot of the claim does not include rows that it waited
    // for. Each row is looked up alone. For a join, the planner would scan the whole key table while it is of
    // medium size.
    recordRepeats: `
WITH seen AS MATERIALIZED (
  SELECT input.*, key.stream_id AS first_stream_id, key.seq AS first_seq, key.digest AS first_digest,
    dead.seq IS NOT NULL OR known.seq IS NOT NULL OR ${holder.isThere} AS settled,
    coalesce(dead.published_at <> input.published_at, false)
      OR coalesce(known.published_at <> input.published_at, false)${holder.differs} AS differs
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    WITH ORDINALITY AS input (topic, event_id, seq, digest, published_at, position)
  LEFT JOIN LATERAL (
    SELECT * FROM ONLY ${generation} key WHERE key.topic = input.topic AND key.event_id = input.event_id LIMIT 1
  ) key ON true
  LEFT JOIN LATERAL (
    SELECT seq, published_at FROM ${tables.duplicate} known WHERE known.stream_id = $1 AND known.seq = input.seq LIMIT 1
  ) known ON true
  LEFT JOIN LATERAL (
    SELECT seq, published_at FROM ${tables.deadLetter} dead WHERE dead.stream_id = $1 AND dead.seq = input.seq LIMIT 1
  ) dead ON true${holder.join}
), recorded AS (
  INSERT INTO ${tables.duplicate}
    (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
  SELECT $1, seq, topic, event_id, first_stream_id, first_seq, false, published_at
  FROM seen WHERE settled IS NOT TRUE AND digest = first_digest
  ORDER BY position
  ON CONFLICT DO NOTHING
  RETURNING seq
)
SELECT (SELECT array_agg(seq)::text FROM recorded) AS recorded,
  array_agg(seq) FILTER (WHERE settled IS NOT TRUE AND digest <> first_digest)::text AS differing,
  array_agg(seq) FILTER (WHERE differs OR (settled IS NOT TRUE AND first_digest IS NULL))::text AS foreign
FROM seen`,

    recordDuplicates: `
INSERT INTO ${tables.duplicate}
  (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, payload, published_at)
SELECT $1, input.seq, input.topic, input.event_id, key.stream_id, key.seq, input.conflict, input.payload, input.published_at
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::jsonb[], $7::timestamptz[])
  WITH ORDINALITY AS input (topic, event_id, seq, conflict, payload, published_at, position)
JOIN ONLY ${generation} key ON key.topic = input.topic AND key.event_id = input.event_id
ORDER BY input.position
ON CONFLICT DO NOTHING
RETURNING seq::float8 AS seq`,
  };
}

/**
 * Finds out whether a sequence took effect. If keys are dated, the sequence is looked up alone, since another
 * message may have it under any id. The same message may also have another id since the program changed its
 * decoder.
 */
function holderOf(tables: InboxTables): { isThere: string; differs: string; join: string } {
  if (tables.keyIsDated !== true)
    return { isThere: '(key.stream_id = $1 AND key.seq = input.seq)', differs: '', join: '' };
  return {
    isThere: 'holder.seq IS NOT NULL',
    differs: `
      OR coalesce(holder.published_at <> input.published_at, false)`,
    join: `
  LEFT JOIN LATERAL (
    SELECT seq, published_at FROM ${tables.key} holder WHERE holder.stream_id = $1 AND holder.seq = input.seq LIMIT 1
  ) holder ON true`,
  };
}

/**
 * Neighbouring sequences, which mostly come together, share a lock. The locks are reused in turn for the
 * sequences of a stream.
 */
const SEQS_PER_LOCK = 1_024;
const LOCKS = 64;
const STREAM_IDS = 2 ** 24;

/**
 * The locks are taken in the order of their numbers, so that two batches cannot deadlock. A batch of 2,000
 * takes two or three.
 */
function locksOn(
  tables: InboxTables,
  streamId: number,
  seqs: readonly number[],
  mode: '' | '_shared',
): string {
  const numbers = new Set<number>();
  // Sequences mostly come in order, so one comparison mostly shows that the lock is known.
  let first = Infinity;
  for (const seq of seqs) {
    if (seq >= first && seq < first + SEQS_PER_LOCK) continue;
    const run = Math.floor(seq / SEQS_PER_LOCK);
    first = run * SEQS_PER_LOCK;
    numbers.add(run % LOCKS);
  }
  return [...numbers]
    .sort((a, b) => a - b)
    .map((number) => (streamId % STREAM_IDS) * LOCKS + number)
    .map((number) => `, pg_advisory_xact_lock${mode}(hashtext('${tables.key} sequences'), ${number})`)
    .join('');
}

function boundedTo(ms: number | undefined): string {
  if (ms === undefined) return '';
  return `SET LOCAL statement_timeout = ${ms}; SET LOCAL idle_in_transaction_session_timeout = ${ms}; `;
}

/**
 * In the list of values, Postgres walks the arrays in step. As a table, it would first materialize each of them.
 *
 * The plan of a check for duplicates depends on the size of their table, so it is not prepared.
 */
function claimPlainly(tables: InboxTables, generation: string): string | PreparedStatement {
  if (tables.keyIsDated !== true)
    return prepared(`
INSERT INTO ${generation} (topic, event_id, stream_id, seq, digest)
SELECT unnest($2::text[]), unnest($3::text[]), $1::integer, unnest($4::bigint[]), unnest($5::bigint[])
WHERE NOT ${someExist(tables.deadLetter)}`);
  return `
INSERT INTO ${generation} (topic, event_id, stream_id, seq, digest, published_at)
SELECT unnest($2::text[]), unnest($3::text[]), $1::integer, unnest($4::bigint[]), unnest($5::bigint[]), unnest($8::timestamptz[])
WHERE NOT ${someExist(tables.deadLetter)} AND NOT ${someExist(tables.duplicate)}`;
}

/**
 * Whether any of the messages was decided on before. If keys are dated, another message may have one of the sequences
 * under any id, which proves another history.
 */
function settledBefore(tables: InboxTables): string {
  const those = [tables.deadLetter, tables.duplicate, ...(tables.keyIsDated === true ? [tables.key] : [])];
  return those.map(someExist).join(' OR ');
}

/**
 * Whether a table has a row of this stream with one of the sequences $4, which are from $6 to $7. With these bounds, old
 * rows cost next to nothing, however Postgres walks the table.
 */
function someExist(table: string): string {
  return `EXISTS (
  SELECT FROM ${table} known
  WHERE known.stream_id = $1 AND known.seq >= $6::bigint AND known.seq <= $7::bigint AND known.seq = ANY ($4::bigint[])
)`;
}

/**
 * Claims ids, and leaves those to another transaction that it claims at the same moment. It returns one row, with the
 * sequences only if some were not claimed. A row for each message would cost more to read than the statement itself.
 */
function claimInTurn(tables: InboxTables, generation: string): string {
  const date = (column: string): string => (tables.keyIsDated === true ? `, ${column}` : '');
  return `
WITH claimed AS (
  INSERT INTO ${generation} (topic, event_id, stream_id, seq, digest${date('published_at')})
  SELECT input.topic, input.event_id, $1, input.seq, input.digest${date('input.published_at')}
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]${date('$6::timestamptz[]')})
    WITH ORDINALITY AS input (topic, event_id, seq, digest${date('published_at')}, position)
  WHERE NOT EXISTS (SELECT FROM ${tables.deadLetter} dead WHERE dead.stream_id = $1 AND dead.seq = input.seq)${unlessRepeated(tables)}
  ORDER BY input.position
  ON CONFLICT DO NOTHING
  RETURNING seq
)
SELECT count(*)::integer AS count,
  CASE WHEN count(*) < cardinality($4::bigint[]) THEN array_agg(seq)::text END AS seqs
FROM claimed`;
}

/**
 * A new id may have the sequence of a duplicate, if the stream has another history. The check costs about 0.5
 * µs a row, and only the library's own tables have it.
 */
function unlessRepeated(tables: InboxTables): string {
  if (tables.keyIsDated !== true) return '';
  return `
  AND NOT EXISTS (SELECT FROM ${tables.duplicate} known WHERE known.stream_id = $1 AND known.seq = input.seq)`;
}

function records(
  tables: InboxTables,
): Pick<InboxStatements, 'recordDeadLetters' | 'foreignDeadLetters' | 'count'> {
  return {
    recordDeadLetters: `
INSERT INTO ${tables.deadLetter}
  (stream_id, seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at)
SELECT $1, input.*
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::integer[], $11::timestamptz[])
  AS input (seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at)
WHERE NOT EXISTS (SELECT FROM ${tables.key} key WHERE key.stream_id = $1 AND key.seq = input.seq)
  AND NOT EXISTS (SELECT FROM ${tables.duplicate} known WHERE known.stream_id = $1 AND known.seq = input.seq)
ON CONFLICT DO NOTHING
RETURNING seq::float8 AS seq`,

    foreignDeadLetters: `
SELECT array_agg(input.seq)::text AS foreign
FROM unnest($2::bigint[], $3::timestamptz[]) AS input (seq, published_at)
WHERE EXISTS (SELECT FROM ${tables.deadLetter} dead
              WHERE dead.stream_id = $1 AND dead.seq = input.seq AND dead.published_at <> input.published_at)
  OR EXISTS (SELECT FROM ${tables.duplicate} known
             WHERE known.stream_id = $1 AND known.seq = input.seq AND known.published_at <> input.published_at)${keyDiffers(tables)}`,

    count: prepared(`
INSERT INTO ${tables.counter} AS counter
  (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT $1, input.topic, pg_backend_pid() % 16, input.stored, input.duplicates, input.conflicts, input.dead_letters, input.redelivered
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
  AS input (topic, stored, duplicates, conflicts, dead_letters, redelivered)
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET
  stored = counter.stored + excluded.stored,
  duplicates = counter.duplicates + excluded.duplicates,
  conflicts = counter.conflicts + excluded.conflicts,
  dead_letters = counter.dead_letters + excluded.dead_letters,
  redelivered = counter.redelivered + excluded.redelivered`),
  };
}

function keyDiffers(tables: InboxTables): string {
  if (tables.keyIsDated !== true) return '';
  return `
  OR EXISTS (SELECT FROM ${tables.key} key
             WHERE key.stream_id = $1 AND key.seq = input.seq AND key.published_at <> input.published_at)`;
}

function attempts(
  tables: InboxTables,
): Pick<
  InboxStatements,
  'startAttempt' | 'failAttempt' | 'withdrawAttempt' | 'watch' | 'endWatch' | 'clearAttempts'
> {
  return {
    // An attempt that was open when Postgres itself restarted says nothing about the message.
    startAttempt: `
INSERT INTO ${tables.attempt} AS attempt (stream_id, seq, started, finished) VALUES ($1, $2, 1, 0)
ON CONFLICT (stream_id, seq) DO UPDATE SET
  started = 1 + CASE WHEN attempt.updated_at < pg_postmaster_start_time() THEN attempt.finished ELSE attempt.started END,
  updated_at = now()
RETURNING started, finished`,

    failAttempt: `
INSERT INTO ${tables.attempt} AS attempt (stream_id, seq, started, finished, last_error) VALUES ($1, $2, 1, 1, $3)
ON CONFLICT (stream_id, seq) DO UPDATE SET
  started = GREATEST(attempt.started, attempt.finished + 1), finished = attempt.finished + 1,
  last_error = excluded.last_error, updated_at = now()
RETURNING finished`,

    withdrawAttempt: `
UPDATE ${tables.attempt} SET started = GREATEST(finished, started - 1), updated_at = now()
WHERE stream_id = $1 AND seq = $2`,

    watch: `
INSERT INTO ${tables.attempt} AS attempt (stream_id, seq, started, finished)
SELECT $1, input.seq, 0, 0 FROM unnest($2::bigint[]) AS input (seq) ORDER BY input.seq
ON CONFLICT (stream_id, seq) DO UPDATE SET updated_at = now()
WHERE attempt.started = 0 AND attempt.finished = 0 AND attempt.updated_at < pg_postmaster_start_time()
RETURNING seq::float8 AS seq`,

    endWatch: `
DELETE FROM ${tables.attempt}
WHERE stream_id = $1 AND seq = ANY($2::bigint[]) AND started <= $3 AND finished = 0`,

    clearAttempts: `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq = ANY($2::bigint[])`,
  };
}
