/**
 * Pages of dead letters, newest first, and their counts by reason.
 *
 * Three designs were considered:
 *
 * - One order by time over all inboxes. Every inbox would need an index for it, which each dead letter pays for.
 * - One view over all inboxes. Each page would sort the dead letters of all of them.
 * - Inbox by inbox, and each from its newest sequence down. The primary key has this order already. This is the design
 *   in use: `store` comes first, and then the other consumers by name.
 *
 * A filter is tried on a bounded number of rows. If too few of these match, the page is short, and the next one
 * continues there. A position is always that of a row that the reader may see.
 */
import type { InboxTables } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import {
  deadLetterEntry,
  judgementOf,
  type DeadLetterEntry,
  type DeadLetterState,
  type JudgedRow,
} from './dead-letter.js';
import type { DeadLetterReference } from './dead-letter-reference.js';
import { entriesStatement, groupsStatement } from './dead-letter-statements.js';
import { inboxNames, STORE_INBOX, storeInboxTables } from './inbox-tables.js';
import { topicsOf } from './topic-walk.js';

/** The conditions on dead letters. A property that is left out does not restrict. */
export interface DeadLetterFilter {
  readonly consumer?: string | undefined;
  readonly topic?: string | undefined;
  /** Topics, and prefixes that end in `.>`. A page reveals nothing about dead letters of other topics. */
  readonly topics?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** The earliest time at which it became a dead letter, included, in UTC. */
  readonly since?: string | undefined;
  /** The latest of these times, excluded, in UTC. */
  readonly until?: string | undefined;
  readonly states: readonly DeadLetterState[];
}

/** The place after which a page begins. */
export interface DeadLetterPosition {
  readonly consumer: string;
  readonly streamId: number;
  readonly seq: number;
}

/** A page of dead letters. */
export interface DeadLetterPage {
  readonly entries: readonly DeadLetterEntry[];
  /** The next page begins after it. It is left out when this page reached the last dead letter. */
  readonly next?: DeadLetterPosition;
}

/** Dead letters that failed alike. */
export interface DeadLetterGroup {
  readonly consumer: string;
  readonly reason: string;
  readonly fingerprint: string;
  /** The detail without quoted texts and numbers. */
  readonly message: string;
  readonly count: number;
  /** The topic of the newest one, and how many topics there are in one part of the walk. */
  readonly topic: string;
  readonly topics: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly newest: DeadLetterReference;
}

/** The groups of one walk. */
export interface DeadLetterGroups {
  readonly groups: readonly DeadLetterGroup[];
  /** The walk goes on after it. It is left out when the walk reached the last dead letter. */
  readonly next?: DeadLetterPosition;
}

/** Rows that one statement walks, and that one page walks, at most. */
const WALKED_AT_ONCE = 2_000;
const WALKED_MAX = 50_000;
const ROWS_OF_TOPIC_MIN = 5;
/** How long one page walks, in milliseconds. */
const WALK_MS_MAX = 3_000;
/** Groups of one answer, at most. */
const GROUPS_MAX = 1_000;

const STREAM_IDS = `SELECT stream_id FROM sekali.stream ORDER BY stream_id DESC`;

interface WalkEnd {
  readonly walked: number;
  readonly end_seq: number | null;
}

interface GroupRow {
  readonly reason: string;
  readonly fingerprint: string;
  readonly message: string;
  readonly count: number;
  readonly topic: string;
  readonly topics: number;
  readonly first_at: string;
  readonly last_at: string;
  readonly seq: number;
  readonly published_at: Date;
}

/** One inbox under one stream incarnation, from a sequence down. */
interface Place {
  readonly consumer: string;
  readonly streamId: number;
  readonly below: number;
  /** `undefined` means all topics. */
  readonly topics: readonly string[] | undefined;
}

/** The rows that match in one part of a walk. */
interface Part<R> {
  readonly rows: readonly R[];
  readonly walked: number;
  /** Where the part ends; `undefined` when it reached the last row of the place. */
  readonly endSeq: number | undefined;
}

/**
 * Reads one page.
 *
 * @param after `undefined` for the first page
 * @param limit the number of dead letters, at most
 * @throws TooManyTopicsError when prefixes of the filter name too many topics
 */
export async function deadLetterPage(
  database: Queryable,
  filter: DeadLetterFilter,
  after: DeadLetterPosition | undefined,
  limit: number,
): Promise<DeadLetterPage> {
  const entries: DeadLetterEntry[] = [];
  const next = await walk(database, filter, after, async (place) => {
    const left = limit - entries.length;
    const part = await readPart<JudgedRow>(database, entriesStatement, place, filter, left);
    for (const row of part.rows) entries.push(deadLetterEntry(place.consumer, row, judgementOf(row)));
    return { ...part, cutAt: part.rows.length === left ? part.rows.at(-1)?.seq : undefined };
  });
  return next === undefined ? { entries } : { entries, next };
}

/**
 * Counts dead letters by consumer, reason and fingerprint, the most frequent first.
 *
 * @param after where the walk begins; `undefined` for the newest one
 * @throws TooManyTopicsError when prefixes of the filter name too many topics
 */
export async function deadLetterGroups(
  database: Queryable,
  filter: DeadLetterFilter,
  after: DeadLetterPosition | undefined,
): Promise<DeadLetterGroups> {
  const groups = new Map<string, DeadLetterGroup>();
  const next = await walk(database, filter, after, async (place) => {
    const part = await readPart<GroupRow>(database, groupsStatement, place, filter, WALKED_AT_ONCE);
    for (const row of part.rows) {
      const group = groupOf(place.consumer, row);
      const key = `${group.consumer} ${group.fingerprint} ${group.reason}`;
      groups.set(key, merged(groups.get(key), group));
    }
    return { ...part, cutAt: groups.size >= GROUPS_MAX ? part.endSeq : undefined };
  });
  const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
  return next === undefined ? { groups: sorted } : { groups: sorted, next };
}

/**
 * Adds the counts of an older part of a walk to a group.
 *
 * @param newer left out when there is none
 */
export function merged(newer: DeadLetterGroup | undefined, older: DeadLetterGroup): DeadLetterGroup {
  if (newer === undefined) return older;
  return {
    ...newer,
    count: newer.count + older.count,
    topics: Math.max(newer.topics, older.topics),
    firstAt: older.firstAt < newer.firstAt ? older.firstAt : newer.firstAt,
    lastAt: older.lastAt > newer.lastAt ? older.lastAt : newer.lastAt,
  };
}

function groupOf(consumer: string, row: GroupRow): DeadLetterGroup {
  return {
    consumer,
    reason: row.reason,
    fingerprint: row.fingerprint,
    message: row.message,
    count: row.count,
    topic: row.topic,
    topics: row.topics,
    firstAt: row.first_at,
    lastAt: row.last_at,
    newest: { consumer, seq: row.seq, publishedMs: row.published_at.getTime() },
  };
}

/**
 * Visits the parts of all places in order.
 *
 * @param visit returns what it read, and `cutAt` where it has enough
 * @returns where others may follow; `undefined` when all was visited
 */
async function walk(
  database: Queryable,
  filter: DeadLetterFilter,
  after: DeadLetterPosition | undefined,
  visit: (place: Place) => Promise<Part<unknown> & { readonly cutAt: number | undefined }>,
): Promise<DeadLetterPosition | undefined> {
  const giveUpMs = performance.now() + WALK_MS_MAX;
  let walked = 0;
  for await (const place of placesOf(database, filter, after)) {
    const at = (seq: number): DeadLetterPosition => ({
      consumer: place.consumer,
      streamId: place.streamId,
      seq,
    });
    for (let below = place.below; ;) {
      const part = await visit({ ...place, below });
      if (part.cutAt !== undefined) return at(part.cutAt);
      walked += part.walked;
      if (part.endSeq === undefined) break;
      below = part.endSeq;
      if (walked >= WALKED_MAX || performance.now() > giveUpMs) return at(below);
    }
    // No sequence is below 1, so the next page goes on behind this place.
    if (performance.now() > giveUpMs) return at(1);
  }
  return undefined;
}

async function* placesOf(
  database: Queryable,
  filter: DeadLetterFilter,
  after: DeadLetterPosition | undefined,
): AsyncGenerator<Place> {
  const names = (await inboxNames(database)).filter((name) => (filter.consumer ?? name) === name);
  const { rows: incarnations } = await database.query<{ stream_id: number }>(STREAM_IDS);
  for (const consumer of names) {
    if (after !== undefined && isBefore(consumer, after.consumer)) continue;
    const topics = await namedTopics(database, filter, storeInboxTables(consumer).deadLetter);
    if (topics?.length === 0) continue;
    for (const { stream_id: streamId } of incarnations) {
      const isHere = consumer === after?.consumer;
      if (isHere && streamId > after.streamId) continue;
      const below = isHere && streamId === after.streamId ? after.seq : Number.MAX_SAFE_INTEGER;
      yield { consumer, streamId, below, topics };
    }
  }
}

/** `store` comes before every other consumer. */
function isBefore(consumer: string, other: string): boolean {
  if (consumer === other || other === STORE_INBOX) return false;
  return consumer === STORE_INBOX || consumer < other;
}

async function namedTopics(
  database: Queryable,
  { topic, topics }: DeadLetterFilter,
  table: string,
): Promise<readonly string[] | undefined> {
  if (topic !== undefined) return [topic];
  return topics === undefined ? undefined : topicsOf(database, topics, table);
}

async function readPart<R>(
  database: Queryable,
  statement: (tables: InboxTables, byTopic: boolean) => string,
  { consumer, streamId, below, topics }: Place,
  filter: DeadLetterFilter,
  rowsMax: number,
): Promise<Part<R>> {
  const share =
    topics === undefined
      ? WALKED_AT_ONCE
      : Math.max(ROWS_OF_TOPIC_MIN, Math.ceil(WALKED_AT_ONCE / topics.length));
  const { rows } = await database.query<WalkEnd & { readonly seq: number | null }>(
    statement(storeInboxTables(consumer), topics !== undefined),
    [
      streamId,
      below,
      share,
      topics ?? null,
      filter.reason ?? null,
      filter.fingerprint ?? null,
      filter.since ?? null,
      filter.until ?? null,
      filter.states,
      rowsMax,
      consumer,
    ],
  );
  const found = rows.filter(({ seq }) => seq !== null) as unknown as R[];
  return { rows: found, walked: rows[0]?.walked ?? 0, endSeq: rows[0]?.end_seq ?? undefined };
}
