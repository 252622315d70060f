/**
 * Reads the tables for the checker: one read-only snapshot, page by page.
 *
 * Opening the snapshot is retried for a while. Once rows were handed on it is not retried, because they would come
 * twice. Every failure is reported to the checker, and never thrown.
 */
import pg from 'pg';
import { JUDGE_NAME } from '../system/sql-door.js';
import type { Checker } from './checker.js';
import type {
  Account,
  StoredDeadLetter,
  StoredDuplicate,
  StoredEvent,
  StoredKey,
  TopicCounters,
} from './evidence.js';
import { eventIdOfMessage } from './message-id.js';
import { errorLine, untilAnswered } from './patience.js';

/** The part of the database that belongs to the run. */
export interface DatabaseScope {
  readonly postgresUrl: string;
  readonly stream: string;
  /** Topics of the run begin with this. Empty: all of them. */
  readonly topicPrefix: string;
  /** Whether table `chaos.account` is to be read. */
  readonly accounting: boolean;
  /** Whether the brokers were put back during the run, so that former incarnations may have rows of it. */
  readonly rolledBack?: boolean;
  /** How long opening is retried; 30 s when left out. */
  readonly timeoutMs?: number;
}

/** The part of the checker that takes rows. */
export type RowChecker = Pick<
  Checker,
  | 'storedEvent'
  | 'storedKey'
  | 'committedApart'
  | 'storedDuplicate'
  | 'storedDeadLetter'
  | 'topicCounters'
  | 'account'
  | 'unreadable'
>;

const TIMEOUT_MS = 30_000;
const CONNECT_MS_MAX = 5_000;
const PAGE_MS_MAX = 120_000;
const PAGE_ROWS = 10_000;

/** Reads everything that belongs to the run. Never throws. */
export async function readDatabase(scope: DatabaseScope, checker: RowChecker): Promise<void> {
  let client: pg.Client | undefined;
  try {
    client = await untilAnswered(scope.timeoutMs ?? TIMEOUT_MS, () => openSnapshot(scope.postgresUrl));
    await readSnapshot(client, scope, checker);
  } catch (error) {
    checker.unreadable('database', errorLine(error));
  } finally {
    await client?.end().catch(() => undefined);
  }
}

async function openSnapshot(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: JUDGE_NAME,
    options: '-c default_transaction_read_only=on',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: PAGE_MS_MAX,
  });
  // A connection that breaks reports it twice: here, and to its next user.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // The first statement that reads fixes the snapshot.
    await client.query('SELECT count(*) FROM sekali.stream');
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

// How incarnations are distinguished is up to the system. The present one was registered last.
const STREAM_ID = `SELECT stream_id AS id FROM sekali.stream WHERE name = $1 ORDER BY stream_id DESC LIMIT 1`;

async function readSnapshot(client: pg.Client, scope: DatabaseScope, checker: RowChecker): Promise<void> {
  const { rows } = await client.query<{ id: number }>(STREAM_ID, [scope.stream]);
  // A stream that no worker has seen yet has neither a number nor rows.
  const streamId = rows[0]?.id ?? 0;
  if (scope.rolledBack !== true) await reportStrangers(client, streamId, scope.topicPrefix, checker);
  const mine = [streamId, scope.topicPrefix];
  await eachRow(client, EVENTS, mine, (row) => checker.storedEvent(row as StoredEvent));
  await eachRow(client, KEYS, mine, (row) => checker.storedKey(row as StoredKey));
  await eachRow(client, APART, mine, (row) => checker.committedApart(row as StoredKey));
  await eachRow(client, DUPLICATES, mine, (row) =>
    checker.storedDuplicate(storedDuplicate(row as DuplicateRow)),
  );
  await eachRow(client, DEAD_LETTERS, mine, (row) =>
    checker.storedDeadLetter(storedDeadLetter(row as DeadLetterRow)),
  );
  await eachRow(client, COUNTERS, [scope.topicPrefix], (row) => checker.topicCounters(row as TopicCounters));
  if (scope.accounting) await readAccounts(client, scope.topicPrefix, checker);
}

const NUMBER_OF = (name: string): string =>
  `CASE jsonb_typeof(payload->'${name}') WHEN 'number' THEN (payload->>'${name}')::float8 ELSE -1 END`;

// The number of the incarnation, when the row belongs to a former one.
const PLACE = `seq::float8 AS seq, CASE WHEN stream_id <> $1 THEN stream_id END AS incarnation`;

const EVENTS = `
SELECT ${PLACE}, topic, event_id AS "eventId", ${NUMBER_OF('variant')} AS variant, ${NUMBER_OF('amount')} AS amount
FROM sekali.event WHERE starts_with(topic, $2)`;

const KEYS = `
SELECT ${PLACE}, topic, event_id AS "eventId"
FROM sekali.event_key WHERE starts_with(topic, $2)`;

// Rows that are never updated have the number of the transaction that created them.
const APART = `
SELECT ${PLACE}, key.topic, key.event_id AS "eventId"
FROM sekali.event stored JOIN sekali.event_key key USING (stream_id, seq)
WHERE starts_with(key.topic, $2) AND stored.xmin <> key.xmin`;

const DUPLICATES = `
SELECT ${PLACE}, topic, event_id AS "eventId", first_seq::float8 AS "firstSeq",
  CASE WHEN first_stream_id <> $1 THEN first_stream_id END AS "firstIncarnation", conflict,
  CASE WHEN payload IS NOT NULL THEN ${NUMBER_OF('variant')} END AS variant
FROM sekali.duplicate WHERE starts_with(topic, $2)`;

const DEAD_LETTERS = `
SELECT ${PLACE}, topic, event_id AS "eventId", reason, headers
FROM sekali.dead_letter WHERE starts_with(topic, $2)`;

const COUNTERS = `
SELECT topic, sum(stored)::float8 AS stored, sum(duplicates)::float8 AS duplicates,
  sum(conflicts)::float8 AS conflicts, sum(dead_letters)::float8 AS "deadLetters"
FROM sekali.counter WHERE starts_with(topic, $1) GROUP BY topic`;

const ACCOUNTS = `
SELECT topic, sum(amount)::float8 AS sum, sum(events)::float8 AS events
FROM chaos.account WHERE starts_with(topic, $1) GROUP BY topic`;

const STRANGERS = `
SELECT (SELECT count(*) FROM sekali.event_key WHERE stream_id <> $1 AND starts_with(topic, $2))
  + (SELECT count(*) FROM sekali.duplicate WHERE stream_id <> $1 AND starts_with(topic, $2))
  + (SELECT count(*) FROM sekali.dead_letter WHERE stream_id <> $1 AND starts_with(topic, $2)) AS rows`;

/** When nothing was put back, no other incarnation should have rows of the run. */
async function reportStrangers(
  client: pg.Client,
  streamId: number,
  topicPrefix: string,
  checker: RowChecker,
): Promise<void> {
  // Without a prefix every topic would be one of ours.
  if (topicPrefix === '') return;
  const { rows } = await client.query<{ rows: string }>(STRANGERS, [streamId, topicPrefix]);
  const count = Number(rows[0]?.rows ?? 0);
  if (count > 0) {
    checker.unreadable(
      'database',
      `${count} rows of the run belong to another incarnation of the stream, although nothing was put back`,
    );
  }
}

async function readAccounts(client: pg.Client, topicPrefix: string, checker: RowChecker): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('chaos.account') IS NOT NULL AS there`,
  );
  // A missing table means that there is no account, so its sums are missing.
  if (rows[0]?.there !== true) return;
  await eachRow(client, ACCOUNTS, [topicPrefix], (row) => checker.account(row as Account));
}

async function eachRow(
  client: pg.Client,
  statement: string,
  values: readonly unknown[],
  take: (row: pg.QueryResultRow) => void,
): Promise<void> {
  await client.query(`DECLARE rows NO SCROLL CURSOR FOR ${statement}`, [...values]);
  for (;;) {
    const { rows } = await client.query<pg.QueryResultRow>(`FETCH FORWARD ${PAGE_ROWS} FROM rows`);
    for (const row of rows) take(row);
    if (rows.length < PAGE_ROWS) break;
  }
  await client.query('CLOSE rows');
}

interface DuplicateRow extends Omit<StoredDuplicate, 'variant'> {
  readonly variant: number | null;
}

function storedDuplicate({ variant, ...row }: DuplicateRow): StoredDuplicate {
  return variant === null ? row : { ...row, variant };
}

interface DeadLetterRow extends Omit<StoredDeadLetter, 'eventId'> {
  readonly eventId: string | null;
  /** JSON: each header with its values. */
  readonly headers: string | null;
}

function storedDeadLetter({ headers, eventId, ...row }: DeadLetterRow): StoredDeadLetter {
  return { ...row, eventId: eventIdOfMessage(row.topic, messageIdIn(headers)) || (eventId ?? '') };
}

function messageIdIn(headers: string | null): string {
  if (headers === null) return '';
  const values = (JSON.parse(headers) as Record<string, unknown>)['Nats-Msg-Id'];
  return Array.isArray(values) ? String(values[0] ?? '') : '';
}
