/**
 * The story of one event: everything that the database knows of its identity, in the order of time.
 *
 * Every part is found by an index, and a page is bounded, so that an event with a million repeats costs no more than
 * its page. Repeats that the brokers dropped are not part of it: they are counted per topic only.
 */
import type { StoryRepeatView } from '#contracts';
import type { Queryable } from '#postgres';
import { fateOf, REPLAY_HEADER } from './dead-letter-statements.js';
import type { ReplayFate } from './dead-letter-queries.js';
import { deadLetterId } from './dead-letter-reference.js';
import { instantText, shortInstant } from './event-queries.js';
import { inboxNames, storeInboxTables } from './inbox-tables.js';

/** A place in a story. What has the same instant is ordered by the numbers. */
export interface StoryPosition {
  /** ISO 8601 in UTC with microseconds. */
  readonly at: string;
  readonly rank: number;
  readonly streamId: number;
  readonly seq: number;
  readonly number: number;
}

interface LetterFacts {
  readonly consumer: string;
  readonly reason: string;
  readonly detail: string;
  readonly deliveries: number;
  readonly recorded_at: string;
  /** Whether the message is the replay of an earlier dead letter. */
  readonly is_replay: boolean;
}

interface ActionFacts {
  readonly consumer: string;
  /** The name of the key; null where keys are not required. */
  readonly by: string | null;
  readonly reason: string | null;
}

interface ReplayFacts extends ActionFacts {
  /** Where the brokers have the replay; null until they acknowledged it. */
  readonly replay_seq: number | null;
  readonly became: ReplayFate | null;
}

/** One thing that happened to an event. Instants are ISO 8601 in UTC. */
export type StoryEntry = {
  /** The brokers' time of what was published, else that of the database. */
  readonly at: string;
  /** Of the message. For an action, that of the dead letter. */
  readonly seq: number;
} & (
  | { readonly kind: 'published' }
  | {
      readonly kind: 'stored';
      readonly facts: { readonly timestamp: string | null; readonly source: string | null };
    }
  | { readonly kind: 'duplicate'; readonly facts: StoryRepeatView }
  /** `payload` is the JSON text of the other payload. */
  | { readonly kind: 'conflict'; readonly facts: StoryRepeatView; readonly payload: string | null }
  | { readonly kind: 'dead_letter'; readonly deadLetter: string; readonly facts: LetterFacts }
  | { readonly kind: 'replay'; readonly deadLetter: string; readonly facts: ReplayFacts }
  | { readonly kind: 'drop'; readonly deadLetter: string; readonly facts: ActionFacts }
);

/** What was stored of an event. */
export interface StoryEvent {
  readonly seq: number;
  /** The JSON text; null when it was dropped by age. */
  readonly payload: string | null;
}

/** A page of a story. */
export interface EventStory {
  /** Undefined when the event was never stored. */
  readonly stored: StoryEvent | undefined;
  /** Oldest first. */
  readonly entries: readonly StoryEntry[];
  /** Where to continue; `undefined` after the last entry. */
  readonly next: StoryPosition | undefined;
}

interface StoryRow {
  readonly at: string;
  readonly rank: number;
  readonly kind: StoryEntry['kind'];
  readonly stream_id: number;
  readonly seq: number;
  readonly number: number;
  readonly published_at: Date | null;
  readonly facts: unknown;
  readonly payload: string | null;
  /** The entries after the position, up to one more than asked for. */
  readonly found: number;
}

const KNOWN = `
SELECT key.stream_id, key.seq, key.stored_at, stored.published_at, stored.source, stored."timestamp", stored.payload
FROM sekali.event_key key
LEFT JOIN sekali.event stored
  ON stored.stream_id = key.stream_id AND stored.seq = key.seq AND stored.stored_at = key.stored_at
WHERE key.topic = $1 AND key.event_id = $2`;

const KNOWN_EVENT = `SELECT seq::float8 AS seq, payload::text AS payload FROM (${KNOWN}) known`;

// The first part names the columns of all.
const EVENT_PARTS = `
SELECT published_at AS at, 0 AS rank, 'published' AS kind, stream_id, seq, 0 AS number, published_at,
  NULL::jsonb AS facts, NULL::jsonb AS payload
FROM known WHERE published_at IS NOT NULL
UNION ALL
SELECT stored_at, 1, 'stored', stream_id, seq, 0, published_at,
  jsonb_build_object('timestamp', ${instantText('"timestamp"')}, 'source', source), NULL
FROM known
UNION ALL
SELECT again.published_at, 2, CASE WHEN conflict THEN 'conflict' ELSE 'duplicate' END, again.stream_id, again.seq, 0,
  again.published_at,
  jsonb_build_object('recorded_at', ${instantText('recorded_at')},
    'messages_later', CASE WHEN again.stream_id = known.stream_id THEN again.seq - known.seq END,
    'seconds_later', extract(epoch FROM again.published_at - known.published_at)),
  again.payload
FROM known JOIN sekali.duplicate again
  ON again.first_seq = known.seq AND again.first_stream_id = known.stream_id AND again.topic = $1 AND again.event_id = $2`;

/** The dead letters of one consumer with this identity, and the actions on them or that published it. */
function consumerParts(consumer: string): string {
  const tables = storeInboxTables(consumer);
  return `
SELECT published_at, 2, 'dead_letter', stream_id, seq, 0, published_at,
  jsonb_build_object('consumer', '${consumer}', 'reason', reason, 'detail', detail, 'deliveries', deliveries,
    'recorded_at', ${instantText('recorded_at')}, 'is_replay', coalesce(headers LIKE '%"${REPLAY_HEADER}"%', false)), NULL
FROM ${tables.deadLetter} WHERE topic = $1 AND event_id = $2
UNION ALL
SELECT acted_at, 3, kind, 0, seq, number, published_at,
  jsonb_build_object('consumer', consumer, 'by', key_name, 'reason', reason) || CASE kind WHEN 'drop' THEN '{}'::jsonb ELSE
    jsonb_build_object('replay_seq', replay_seq, 'became', ${fateOf(tables, 'action')}) END, NULL
FROM sekali.dead_letter_action action
WHERE action_id IN (
  SELECT action_id FROM sekali.dead_letter_action WHERE topic = $1 AND event_id = $2 AND consumer = '${consumer}'
  UNION ALL
  SELECT acted.action_id FROM ${tables.deadLetter} letter JOIN sekali.dead_letter_action acted
    ON acted.consumer = '${consumer}' AND acted.seq = letter.seq AND acted.published_at = letter.published_at
  WHERE letter.topic = $1 AND letter.event_id = $2)`;
}

/** $3 to $7 are the position after which the page begins, $8 its entries at most, $9 its bytes at most. */
function storyStatement(consumers: readonly string[]): string {
  return `
WITH known AS MATERIALIZED (${KNOWN}), entry AS (
${[EVENT_PARTS, ...consumers.map(consumerParts)].join('\nUNION ALL')}
), walked AS (
  SELECT * FROM entry
  WHERE (at, rank, stream_id, seq, number) > ($3::timestamptz, $4::integer, $5::integer, $6::bigint, $7::integer)
  ORDER BY at, rank, stream_id, seq, number LIMIT $8 + 1
), sized AS (
  SELECT *, count(*) OVER ()::integer AS found, row_number() OVER places AS place,
    sum(${ENTRY_BYTES} + coalesce(octet_length(facts::text), 0) + coalesce(octet_length(payload::text), 0)) OVER places AS bytes
  FROM walked WINDOW places AS (ORDER BY at, rank, stream_id, seq, number)
)
SELECT ${instantText('at')} AS at, rank, kind, stream_id, seq::float8 AS seq, number, published_at, facts,
  payload::text AS payload, found
FROM sized WHERE place <= $8 AND (place = 1 OR bytes <= $9) ORDER BY place`;
}

/** Of an entry in the answer, besides its facts and its payload. */
const ENTRY_BYTES = 200;
const BEGINNING: StoryPosition = { at: '-infinity', rank: 0, streamId: 0, seq: 0, number: 0 };

/** The bounds of a page. A page has at least one entry, however large. */
export interface StoryBounds {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Reads a page of the story of one event.
 *
 * @param after the end of the page before; `undefined` for the first page
 */
export async function eventStory(
  database: Queryable,
  { topic, eventId }: { readonly topic: string; readonly eventId: string },
  after: StoryPosition | undefined,
  bounds: StoryBounds,
): Promise<EventStory> {
  const { at, rank, streamId, seq, number } = after ?? BEGINNING;
  const statement = storyStatement(await inboxNames(database));
  const { rows: known } = await database.query<StoryEvent>(KNOWN_EVENT, [topic, eventId]);
  const from = [at, rank, streamId, seq, number];
  const values = [topic, eventId, ...from, bounds.entries, bounds.bytes];
  const { rows } = await database.query<StoryRow>(statement, values);
  const last = rows.at(-1);
  return {
    stored: known[0],
    entries: rows.map(entryOf),
    next: last !== undefined && last.found > rows.length ? positionOf(last) : undefined,
  };
}

function positionOf({ at, rank, stream_id: streamId, seq, number }: StoryRow): StoryPosition {
  return { at, rank, streamId, seq, number };
}

function entryOf(row: StoryRow): StoryEntry {
  const { kind, seq, facts, payload, published_at: published } = row;
  const entry = { kind, at: shortInstant(row.at), seq, facts, payload };
  if (kind !== 'dead_letter' && kind !== 'replay' && kind !== 'drop') return entry as StoryEntry;
  const { consumer } = facts as ActionFacts;
  const deadLetter = deadLetterId({ consumer, seq, publishedMs: published?.getTime() ?? 0 });
  return { ...entry, deadLetter } as StoryEntry;
}
