/** What the workers decided on published events. */
import { bigintColumn, textColumn, type Queryable } from '#postgres';

/** A published event, under the sequence that the brokers gave it. */
export interface SentEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly seq: number;
}

/** The decision of a worker on one message. */
export type SettledOutcome =
  | { readonly outcome: 'stored' }
  /** The event was stored from another message before. In a conflict, that one has another payload. */
  | { readonly outcome: 'duplicate' | 'conflict'; readonly firstSeq: number }
  | { readonly outcome: 'dead_letter'; readonly reason: string };

interface OutcomeRow extends Record<string, unknown> {
  readonly position: number;
  readonly outcome: SettledOutcome['outcome'];
  readonly first_seq: number;
  readonly reason: string;
}

/**
 * A sequence means a message only within one incarnation of the stream, so topic and id have to agree as well. Of
 * several rows, that of the newest incarnation counts. A dead letter may be counted under a name in brackets.
 *
 * LATERAL with LIMIT makes it one lookup in each index for each event, whatever the planner knows of the tables.
 */
const OUTCOMES = `
SELECT input.position::integer AS position, settled.outcome, settled.first_seq::float8 AS first_seq, settled.reason
FROM unnest($2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS input (seq, topic, event_id, position)
CROSS JOIN LATERAL (
  SELECT found.* FROM sekali.stream stream CROSS JOIN LATERAL (
    SELECT stream.stream_id, 'stored' AS outcome, key.seq AS first_seq, NULL AS reason FROM sekali.event_key key
    WHERE key.topic = input.topic AND key.event_id = input.event_id
      AND key.stream_id = stream.stream_id AND key.seq = input.seq
    UNION ALL
    SELECT stream.stream_id, CASE WHEN conflict THEN 'conflict' ELSE 'duplicate' END, first_seq, NULL
    FROM sekali.duplicate repeat
    WHERE repeat.stream_id = stream.stream_id AND repeat.seq = input.seq
      AND repeat.topic = input.topic AND repeat.event_id = input.event_id
    UNION ALL
    SELECT stream.stream_id, 'dead_letter', NULL, dead.reason FROM sekali.dead_letter dead
    WHERE dead.stream_id = stream.stream_id AND dead.seq = input.seq
      AND (dead.topic = input.topic OR dead.topic LIKE '(%') AND dead.event_id = input.event_id
  ) found
  WHERE stream.name = $1
  ORDER BY found.stream_id DESC LIMIT 1
) settled`;

/**
 * Finds what the workers decided on events.
 *
 * @param stream the name of the stream
 * @returns one value for each event, in the same order; `undefined` for one that is still in flight
 */
export async function settledOutcomes(
  database: Queryable,
  stream: string,
  events: readonly SentEvent[],
): Promise<(SettledOutcome | undefined)[]> {
  const { rows } = await database.query<OutcomeRow>(OUTCOMES, [
    stream,
    bigintColumn(events.map(({ seq }) => seq)),
    textColumn(events.map(({ topic }) => topic)),
    textColumn(events.map(({ eventId }) => eventId)),
  ]);
  const outcomes = events.map<SettledOutcome | undefined>(() => undefined);
  for (const row of rows) outcomes[row.position - 1] = outcomeOf(row);
  return outcomes;
}

function outcomeOf({ outcome, first_seq: firstSeq, reason }: OutcomeRow): SettledOutcome {
  if (outcome === 'stored') return { outcome };
  return outcome === 'dead_letter' ? { outcome, reason } : { outcome, firstSeq };
}
