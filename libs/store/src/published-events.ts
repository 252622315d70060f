/** What the ledger knows of events that a producer sends again. Each statement looks every row up by itself. */
import { bigintColumn, textColumn } from '#pg-columns';
import type { Queryable } from './queryable.js';

/** An event, and the stream sequence that it was published under. */
export interface PublishedEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly seq: number;
}

// An event whose id could not be read is known by its sequence alone.
const GIVEN_UP = `
SELECT input.position::integer AS position
FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS input (topic, event_id, seq, position)
WHERE (
  SELECT true FROM sekali.stream stream
  JOIN sekali.dead_letter dead ON dead.stream_id = stream.stream_id AND dead.seq = input.seq
  WHERE stream.name = $1 AND dead.topic = input.topic AND coalesce(dead.event_id, input.event_id) = input.event_id
  LIMIT 1
)`;

/**
 * Whether messages were given up as dead letters.
 *
 * @param stream name of the stream that their sequences belong to
 * @returns one value for each, in order
 */
export async function areGivenUp(
  database: Queryable,
  stream: string,
  events: readonly PublishedEvent[],
): Promise<boolean[]> {
  return found(database, events, GIVEN_UP, [
    stream,
    ...identityColumns(events),
    bigintColumn(events.map(({ seq }) => seq)),
  ]);
}

const STORED = `
SELECT input.position::integer AS position
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS input (topic, event_id, position)
WHERE (
  SELECT true FROM sekali.event_key key WHERE key.topic = input.topic AND key.event_id = input.event_id
)`;

/** Whether events were stored, under whatever sequence. @returns one value for each, in order */
export async function areStored(
  database: Queryable,
  events: readonly Pick<PublishedEvent, 'topic' | 'eventId'>[],
): Promise<boolean[]> {
  return found(database, events, STORED, identityColumns(events));
}

async function found(
  database: Queryable,
  events: readonly unknown[],
  statement: string,
  values: readonly unknown[],
): Promise<boolean[]> {
  const { rows } = await database.query<{ position: number }>(statement, values as unknown[]);
  const is = events.map(() => false);
  for (const { position } of rows) is[position - 1] = true;
  return is;
}

function identityColumns(events: readonly Pick<PublishedEvent, 'topic' | 'eventId'>[]): Buffer[] {
  return [textColumn(events.map(({ topic }) => topic)), textColumn(events.map(({ eventId }) => eventId))];
}
