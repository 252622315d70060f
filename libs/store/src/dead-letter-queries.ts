/** Reads one dead letter with its message and its history. */
import type { Queryable } from '#postgres';
import {
  deadLetterEntry,
  type DeadLetterEntry,
  type DeadLetterState,
  type EntryRow,
  type Judgement,
} from './dead-letter.js';
import type { DeadLetterReference } from './dead-letter-reference.js';
import { historyStatement, oneStatement } from './dead-letter-statements.js';
import { inboxNames, storeInboxTables } from './inbox-tables.js';

/** What the consumer made of a replay. */
export type ReplayFate = 'stored' | 'duplicate' | 'dead_letter' | 'in_flight';

/** One action on a dead letter. Instants are ISO 8601 in UTC. */
export interface DeadLetterAction {
  readonly actionId: string;
  readonly number: number;
  readonly kind: 'replay' | 'drop';
  readonly keyId: string | null;
  /** The name of the key; null where keys are not required. */
  readonly by: string | null;
  readonly reason: string | null;
  readonly at: string;
  /** The event that is published again; null for a drop. */
  readonly topic: string | null;
  readonly eventId: string | null;
  /** The body that is published; null for the message as it came. */
  readonly body: Buffer | null;
  readonly replaySeq: number | null;
  readonly replayedAt: string | null;
  /** Null for a drop, or until the brokers acknowledged the replay. */
  readonly fate: ReplayFate | null;
  /** Why the replay failed again. */
  readonly failure: { readonly reason: string; readonly detail: string } | null;
}

/** A dead letter with its message and its history. */
export interface FoundDeadLetter extends DeadLetterEntry {
  /** Names and values as the message had them; empty without headers. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** The first bytes of the body. */
  readonly body: Buffer;
  /** Oldest first. */
  readonly history: readonly DeadLetterAction[];
}

type OneRow = EntryRow & { readonly headers: string | null; readonly body: Buffer };

interface HistoryRow {
  readonly action_id: string;
  readonly number: number;
  readonly kind: 'replay' | 'drop';
  readonly key_id: string | null;
  readonly key_name: string | null;
  readonly reason: string | null;
  readonly topic: string | null;
  readonly event_id: string | null;
  readonly body: Buffer | null;
  readonly acted_at: string;
  readonly replay_seq: number | null;
  readonly replayed_at: string | null;
  readonly fate: ReplayFate | null;
  readonly failed_reason: string | null;
  readonly failed_detail: string | null;
}

/**
 * Finds a dead letter by its reference.
 *
 * @param bodyBytesMax bytes of the body that are read, at most
 * @returns `undefined` when there is none, or no such consumer
 */
export async function findDeadLetter(
  database: Queryable,
  { consumer, seq, publishedMs }: DeadLetterReference,
  bodyBytesMax: number,
): Promise<FoundDeadLetter | undefined> {
  if (!(await inboxNames(database)).includes(consumer)) return undefined;
  const tables = storeInboxTables(consumer);
  const published = new Date(publishedMs).toISOString();
  const { rows } = await database.query<OneRow>(oneStatement(tables), [seq, published, bodyBytesMax]);
  const row = rows[0];
  if (row === undefined) return undefined;
  const named = [consumer, seq, published];
  const { rows: actions } = await database.query<HistoryRow>(historyStatement(tables), named);
  const history = actions.map(actionOf);
  return {
    ...deadLetterEntry(consumer, row, judgementAfter(history)),
    headers: row.headers === null ? {} : (JSON.parse(row.headers) as Record<string, string[]>),
    body: row.body,
    history,
  };
}

/**
 * What became of a dead letter follows from its history alone. Read by another statement, the state could be older
 * than the history, and a replay that was just noted would seem to be open.
 */
function judgementAfter(history: readonly DeadLetterAction[]): Judgement {
  const last = history.at(-1);
  if (last === undefined) return { state: 'open', actions: 0, last: null };
  const { number, kind, by, reason, at, replaySeq } = last;
  return { state: stateAfter(last), actions: number, last: { kind, by, reason, at, replaySeq } };
}

function stateAfter({ kind, fate }: DeadLetterAction): DeadLetterState {
  if (kind === 'drop') return 'dropped';
  if (fate === 'stored' || fate === 'duplicate') return fate;
  return fate === 'dead_letter' ? 'open' : 'replaying';
}

function actionOf(row: HistoryRow): DeadLetterAction {
  return {
    actionId: row.action_id,
    number: row.number,
    kind: row.kind,
    keyId: row.key_id,
    by: row.key_name,
    reason: row.reason,
    at: row.acted_at,
    topic: row.topic,
    eventId: row.event_id,
    body: row.body,
    replaySeq: row.replay_seq,
    replayedAt: row.replayed_at,
    fate: row.fate,
    failure:
      row.failed_reason === null ? null : { reason: row.failed_reason, detail: row.failed_detail ?? '' },
  };
}
