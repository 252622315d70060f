/** Finds events in the ledger that a producer sends again. */
import { bigintColumn, textColumn, type Queryable } from '#postgres';

/** The identity of a dead letter. The id is null where it could not be read. */
export interface DeadLetterName {
  readonly topic: string;
  readonly eventId: string | null;
  readonly seq: number;
}

// Each incarnation of the stream is searched separately, by the primary key.
const GIVEN_UP_FROM = `
SELECT dead.topic, dead.event_id AS "eventId", dead.seq::float8 AS seq
FROM sekali.stream stream
CROSS JOIN LATERAL (
  SELECT topic, event_id, seq FROM sekali.dead_letter
  WHERE stream_id = stream.stream_id AND seq >= $2 ORDER BY seq DESC LIMIT $3
) dead
WHERE stream.name = $1
ORDER BY dead.seq DESC LIMIT $3`;

/**
 * Returns the dead letters of a stream from a sequence on, in all its incarnations, newest first.
 *
 * @param limit the number of dead letters, at most; the newest are returned
 */
export async function givenUpFrom(
  database: Queryable,
  stream: string,
  seq: number,
  limit: number,
): Promise<DeadLetterName[]> {
  return (await database.query<DeadLetterName & Record<string, unknown>>(GIVEN_UP_FROM, [stream, seq, limit]))
    .rows;
}

const GIVEN_UP_AMONG = `
SELECT dead.topic, dead.event_id AS "eventId", dead.seq::float8 AS seq
FROM sekali.stream stream
CROSS JOIN unnest($2::bigint[]) AS input (seq)
CROSS JOIN LATERAL (
  SELECT topic, event_id, seq FROM sekali.dead_letter
  WHERE stream_id = stream.stream_id AND dead_letter.seq = input.seq LIMIT 1
) dead
WHERE stream.name = $1`;

/** Returns the dead letters of a stream that have one of the sequences, in any of its incarnations. */
export async function givenUpAmong(
  database: Queryable,
  stream: string,
  seqs: readonly number[],
): Promise<DeadLetterName[]> {
  const values = [stream, bigintColumn(seqs)];
  return (await database.query<DeadLetterName & Record<string, unknown>>(GIVEN_UP_AMONG, values)).rows;
}

const STORED = `
SELECT input.position::integer AS position
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS input (topic, event_id, position)
WHERE (
  SELECT true FROM sekali.event_key key WHERE key.topic = input.topic AND key.event_id = input.event_id
)`;

/**
 * Checks whether events were stored, under any sequence.
 *
 * @returns one value for each event, in the same order
 */
export async function areStored(
  database: Queryable,
  events: readonly { readonly topic: string; readonly eventId: string }[],
): Promise<boolean[]> {
  const { rows } = await database.query<{ position: number }>(STORED, [
    textColumn(events.map(({ topic }) => topic)),
    textColumn(events.map(({ eventId }) => eventId)),
  ]);
  const isStored = events.map(() => false);
  for (const { position } of rows) isStored[position - 1] = true;
  return isStored;
}
