/** Reads the events of a range of sequences, in several statements that are bounded in what they print. */
import type { Queryable } from '#postgres';
import { payloadCondition, type Condition, type EventFilter } from './event-filter.js';
import { pageBytes, pageStatement, type PageOrder } from './event-page-statements.js';
import { spanCondition, type StoredSpan } from './stored-span.js';
import { storedEvent, type EventRow, type SequenceRange, type StoredEvent } from './event-queries.js';

/** Events that one statement prints, at most, because a stored number of a few bytes may have hundreds of digits. */
const PRINTED_MAX = 2_500;

/** The events of one topic that were stored in a span of time. */
export interface TopicSpan {
  readonly topic: string;
  /** An instant, included. */
  readonly since: string;
  /** An instant, excluded. */
  readonly until: string;
}

/** Which events of a stream incarnation to read. */
export interface PrintedRange {
  readonly streamId: number;
  /** Excluded. */
  readonly after: number;
  /** Included; without it, all that follow. */
  readonly upTo?: number | undefined;
  readonly filter: EventFilter;
  /** The topics that the filter names; `undefined` means all. */
  readonly topics: readonly string[] | undefined;
  /** The only sequences to read, and the spans of time in which they were stored. */
  readonly among?: { readonly seqs: readonly number[]; readonly spans: readonly StoredSpan[] } | undefined;
  /** Of the topic, those that were stored in a span of time. Postgres walks along the index by topic. */
  readonly topicSpan?: TopicSpan | undefined;
  /** Sequences that are left out. */
  readonly seen?: readonly SequenceRange[] | undefined;
  readonly order: PageOrder;
  /** Whether Postgres should find the few events first and then sort them. */
  readonly isSorted: boolean;
  readonly limit: number;
  /** The size of all events as `pageBytes` counts it, at most; the first event may be larger. */
  readonly bytesMax: number;
}

/**
 * Reads up to `limit` events or `bytesMax` bytes.
 *
 * @returns the events in the order; `isCut` means that others follow in the range
 */
export async function printedEvents(
  database: Queryable,
  range: PrintedRange,
): Promise<{ events: StoredEvent[]; isCut: boolean }> {
  const { streamId, filter, topics, order, limit } = range;
  const events: StoredEvent[] = [];
  const seen = range.seen?.map(([first, last]) => `[${first},${last}]`).join(',');
  const payloads = payloadCondition(filter, 12);
  const among = amongCondition(range.among, 12 + payloads.values.length);
  const span = topicSpanCondition(range.topicSpan, 12 + payloads.values.length + among.values.length);
  const statement = pageStatement(order, range.isSorted, payloads.sql + among.sql + span.sql);
  let bytesLeft = range.bytesMax;
  for (;;) {
    const asked = Math.min(limit - events.length, PRINTED_MAX);
    const last = events.at(-1)?.seq;
    const { rows } = await database.query<EventRow & { readonly found: number }>(statement, [
      streamId,
      order === 'oldest' && last !== undefined ? last : range.after,
      order === 'newest' && last !== undefined ? last - 1 : (range.upTo ?? Number.MAX_SAFE_INTEGER),
      topics ?? null,
      filter.source ?? null,
      filter.since ?? null,
      filter.until ?? null,
      asked + 1,
      bytesLeft,
      events.length === 0,
      seen === undefined ? null : `{${seen}}`,
      ...payloads.values,
      ...among.values,
      ...span.values,
    ]);
    const taken = rows.slice(0, asked).map(storedEvent);
    const found = rows[0]?.found;
    // The previous statement found more events, so the next one has no room in the page.
    if (found === undefined) return { events, isCut: events.length > 0 };
    events.push(...taken);
    if (found === taken.length) return { events, isCut: false };
    bytesLeft -= pageBytes(taken);
    if (events.length === limit || bytesLeft <= 0) return { events, isCut: true };
  }
}

function amongCondition(among: PrintedRange['among'], first: number): Condition {
  if (among === undefined) return { sql: '', values: [] };
  const spans = spanCondition(among.spans, first + 1);
  return {
    sql: `\n      AND seq = ANY ($${first}::bigint[]) AND ${spans.sql}`,
    values: [among.seqs, ...spans.values],
  };
}

/** @param first the number of its first parameter */
function topicSpanCondition(span: TopicSpan | undefined, first: number): Condition {
  if (span === undefined) return { sql: '', values: [] };
  const stored = spanCondition([span], first + 1);
  return { sql: `\n      AND topic = $${first} AND ${stored.sql}`, values: [span.topic, ...stored.values] };
}
