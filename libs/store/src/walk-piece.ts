/** The next events on the way of a walk, of whatever content: where they end, and how many there are. */
import type { Queryable } from '#postgres';
import type { PageOrder } from './event-page-statements.js';
import { instantText, shortInstant } from './event-queries.js';

/** A place on the way of a walk. */
export interface WalkedTo {
  readonly seq: number;
  /** `stored_at` of the event there. */
  readonly storedAt: string;
}

/** Some events that follow each other on the way. */
export interface WalkPiece {
  /** How many there are. */
  readonly inspected: number;
  /** The sequence of the last one; `undefined` when there are none. */
  readonly last: number | undefined;
  /** Whether no others follow. */
  readonly isEnd: boolean;
}

/** Where a walk is, and along what. */
export interface WalkPlace {
  readonly streamId: number;
  /** Topics whose events are walked; `undefined` means all. */
  readonly topics: readonly string[] | undefined;
  readonly order: PageOrder;
  /** The piece begins behind this sequence, in the order of the walk. */
  readonly from: number;
  /** It ends at this sequence at the latest; without it, nothing bounds it. It is for walks from the oldest on. */
  readonly upTo?: number | undefined;
}

/** A piece reads this many entries of each topic, at least. Otherwise one over many topics would make no progress. */
const ENTRIES_OF_TOPIC_MIN = 50;

const ALONG_STREAM: Readonly<Record<PageOrder, string>> = {
  oldest: `
SELECT count(*)::integer AS inspected, max(seq)::float8 AS last, count(*) < $3 AS is_end
FROM (
  SELECT seq FROM sekali.event WHERE stream_id = $1 AND seq > $2 AND seq <= $4 ORDER BY seq LIMIT $3
) walked`,
  newest: `
SELECT count(*)::integer AS inspected, min(seq)::float8 AS last, count(*) < $3 AS is_end
FROM (
  SELECT seq FROM sekali.event WHERE stream_id = $1 AND seq < $2 AND seq <= $4 ORDER BY seq DESC LIMIT $3
) walked`,
};

/** Each topic is walked along its own part of an index. One with more entries than were read ends the piece for all. */
function alongTopics(order: PageOrder): string {
  const isOldest = order === 'oldest';
  const [beyond, direction, farthest, nearest] = isOldest
    ? ['>', '', 'max', 'min']
    : ['<', ' DESC', 'min', 'max'];
  return `
WITH walked AS MATERIALIZED (
  SELECT asked.topic, entry.seq
  FROM unnest($5::text[]) AS asked (topic)
  CROSS JOIN LATERAL (
    SELECT seq FROM sekali.event
    WHERE topic = asked.topic AND stream_id = $1 AND seq ${beyond} $2 AND seq <= $4
    ORDER BY seq${direction} LIMIT $6
  ) entry
), ending AS MATERIALIZED (
  SELECT ${isOldest ? 'least' : 'greatest'}(
    (SELECT ${nearest}(last) FROM (
      SELECT ${farthest}(seq) AS last FROM walked GROUP BY topic HAVING count(*) = $6
    ) unfinished),
    (SELECT seq FROM walked ORDER BY seq${direction} OFFSET $3 - 1 LIMIT 1)
  ) AS seq
)
SELECT count(*)::integer AS inspected, ${farthest}(walked.seq)::float8 AS last, bool_and(ending.seq IS NULL) AS is_end
FROM ending LEFT JOIN walked ON ending.seq IS NULL OR NOT walked.seq ${beyond} ending.seq`;
}

const ALONG_TOPICS: Readonly<Record<PageOrder, string>> = {
  oldest: alongTopics('oldest'),
  newest: alongTopics('newest'),
};

interface PieceRow {
  readonly inspected: number;
  readonly last: number | null;
  readonly is_end: boolean;
}

/** Returns the next piece of at most `size` events, without reading what is in them. */
export async function walkPiece(
  database: Queryable,
  { streamId, topics, order, from, upTo = Number.MAX_SAFE_INTEGER }: WalkPlace,
  size: number,
): Promise<WalkPiece> {
  const values: unknown[] = [streamId, from, size, upTo];
  if (topics !== undefined)
    values.push(topics, Math.min(size, Math.max(ENTRIES_OF_TOPIC_MIN, Math.ceil(size / topics.length))));
  const statement = (topics === undefined ? ALONG_STREAM : ALONG_TOPICS)[order];
  const { rows } = await database.query<PieceRow>(statement, values);
  const { inspected = 0, last = null, is_end: isEnd = true } = rows[0] ?? {};
  return { inspected: last === null ? 0 : inspected, last: last ?? undefined, isEnd };
}

const STORED_AT = `
SELECT ${instantText('stored_at')} AS stored_at FROM sekali.event WHERE stream_id = $1 AND seq = $2 LIMIT 1`;

/** Says where a walk is, for a person. */
export async function walkedTo(
  database: Queryable,
  streamId: number,
  seq: number,
): Promise<WalkedTo | undefined> {
  const { rows } = await database.query<{ stored_at: string }>(STORED_AT, [streamId, seq]);
  const storedAt = rows[0]?.stored_at;
  return storedAt === undefined ? undefined : { seq, storedAt: shortInstant(storedAt) };
}
