/** Pages for readers of some topics, and for readers who follow the events. They miss, repeat and reveal no event. */
import { describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, type TestSystem } from '#testing';
import type { EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import type { EventPage } from './found-page.js';
import type { EventPosition } from './event-queries.js';
import { SEKALI_LEDGER } from './ledger.js';
import { SEEN_RANGES_MAX } from './read-position.js';

const INSERT_EVENTS = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT topic, 'e' || seq, $1, seq, 0 FROM unnest($2::bigint[], $3::text[]) AS new (seq, topic)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, topic, 'e' || seq, 's' || seq % 3, to_timestamp(seq), '{}', now()
FROM unnest($2::bigint[], $3::text[]) AS new (seq, topic)`;

interface Stored {
  readonly system: TestSystem;
  readonly streamId: number;
  readonly insert: (seqs: readonly number[], topicOf?: (seq: number) => string) => Promise<void>;
}

async function stored(): Promise<Stored> {
  const system = await createTestSystem();
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, {
    name: system.streamName,
    identity: 'first',
  });
  const insert: Stored['insert'] = async (seqs, topicOf = () => 't') => {
    await system.pool.query(INSERT_EVENTS, [streamId, seqs, seqs.map(topicOf)]);
  };
  return { system, streamId, insert };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);
const seqsOf = (page: EventPage): number[] => page.events.map((event) => event.seq);

async function page(
  database: Queryable,
  filter: EventFilter,
  after: EventPosition = FIRST_POSITION,
  limit = 100,
  ackFloor = 0,
): Promise<EventPage> {
  return eventPage(database, filter, after, limit, () => Promise.resolve(ackFloor));
}

/** Reads all pages. */
async function readAll(database: Queryable, filter: EventFilter, limit: number): Promise<EventPage[]> {
  const pages: EventPage[] = [];
  for (
    let after: EventPosition | undefined = FIRST_POSITION;
    after !== undefined;
    after = pages.at(-1)?.next
  ) {
    pages.push(await page(database, filter, after, limit));
  }
  return pages;
}

describe('a page of some topics', () => {
  // One event in 20 has the first topic of the reader, and one in 50 has the second.
  const topicOf = (seq: number): string => {
    if (seq % 50 === 0) return 'a.b.c';
    if (seq % 20 === 1) return 'a.x';
    return ['a', 'ab', 'a-', 'b.a'][seq % 4] ?? '';
  };
  const isOwn = (seq: number): boolean => seq % 50 === 0 || seq % 20 === 1;

  it.each<[string, EventFilter, (seq: number) => boolean]>([
    ['a prefix', { topics: ['a.>'] }, isOwn],
    ['several topics', { topics: ['a.x', 'a.b.c', 'none'] }, isOwn],
    ['a topic and a prefix', { topics: ['a.x', 'a.b.>'] }, isOwn],
    ['with a source', { topics: ['a.>'], source: 's1' }, (seq) => isOwn(seq) && seq % 3 === 1],
    [
      'with a time',
      { topics: ['a.>'], since: new Date(500_000).toISOString() },
      (seq) => isOwn(seq) && seq >= 500,
    ],
    ['one of them', { topics: ['a.>'], topic: 'a.x' }, (seq) => seq % 20 === 1 && seq % 50 !== 0],
    ['one that is not among them', { topics: ['a.>'], topic: 'b.a' }, () => false],
    ['an unused prefix', { topics: ['z.>'] }, () => false],
  ])('holds all its events and no others: %s', async (_, filter, isExpected) => {
    const { system, insert } = await stored();
    await insert(range(1, 1_000), topicOf);
    for (const limit of [1, 7, 1_000]) {
      const pages = await readAll(system.pool, filter, limit);
      expect(pages.flatMap(seqsOf)).toEqual(range(1, 1_000).filter(isExpected));
      // Every page ends at one of the reader's own events, so a cursor reveals no other.
      for (const { end } of pages) expect(end.seq === 0 || isOwn(end.seq)).toBe(true);
    }
  });

  it('reveals nothing about other topics: their events cause no page, no cursor and no waiting', async () => {
    const { system, insert } = await stored();
    await insert([...range(1, 200), ...range(202, 300)], () => 'b.secret');
    for (const filter of [{ topics: ['a.>'] }, { topics: ['a.x', 'a.y'], source: 's1' }]) {
      const { events, next, end } = await page(system.pool, filter, FIRST_POSITION, 1);
      expect([events, next, end.seq]).toEqual([[], undefined, 0]);
    }
    await insert([301, 305], () => 'a.x');
    const first = await page(system.pool, { topics: ['a.x', 'a.y'] }, FIRST_POSITION, 1);
    expect([seqsOf(first), first.next?.seq]).toEqual([[], 0]);
  });

  it('reaches every event of many topics, also when one topic has half of them', async () => {
    const { system, insert } = await stored();
    // The topics share the entries of a walk. Those with many end it early, and the next walk continues there.
    await insert(range(1, 6_000), (seq) => (seq % 2 === 0 ? 'a.busy' : `a.t${seq % 1_200}`));
    const pages = await readAll(system.pool, { topics: ['a.>'] }, 1_000);
    expect(pages.flatMap(seqsOf)).toEqual(range(1, 6_000));
  });
});

describe('a reader who follows', () => {
  it('gets later events from its last position, each event once', async () => {
    const { system, streamId, insert } = await stored();
    await insert(range(1, 5));
    const first = await page(system.pool, {});
    expect([seqsOf(first), first.next, first.end]).toEqual([range(1, 5), undefined, { streamId, seq: 5 }]);
    expect(await page(system.pool, {}, first.end)).toEqual({ events: [], end: first.end });
    await insert(range(6, 8));
    const later = await page(system.pool, {}, first.end);
    expect(seqsOf(later)).toEqual([6, 7, 8]);
  });

  it('misses no event that is committed below one it has read, and gets none twice', async () => {
    const { system, streamId, insert } = await stored();
    await insert([1, 2, 5, 6, 9]);
    const first = await page(system.pool, {});
    const seen = [
      [5, 6],
      [9, 9],
    ];
    expect([seqsOf(first), first.next, first.end]).toEqual([
      [1, 2, 5, 6, 9],
      undefined,
      { streamId, seq: 2, seen },
    ]);
    await insert([3, 8]);
    const second = await page(system.pool, {}, first.end);
    expect([seqsOf(second), second.end]).toEqual([
      [3, 8],
      {
        streamId,
        seq: 3,
        seen: [
          [5, 6],
          [8, 9],
        ],
      },
    ]);
    await insert([4, 7, 10]);
    const third = await page(system.pool, {}, second.end);
    expect([seqsOf(third), third.end]).toEqual([[4, 7, 10], { streamId, seq: 10 }]);
  });

  it('waits for the oldest event where more ranges are above it than a cursor can have', async () => {
    const { system, streamId, insert } = await stored();
    const odd = range(1, 2 * SEEN_RANGES_MAX + 10).filter((seq) => seq % 2 === 1);
    await insert(odd);
    const first = await page(system.pool, {}, FIRST_POSITION, 1_000);
    expect([seqsOf(first), first.next]).toEqual([[1], { streamId, seq: 1 }]);
    await insert(odd.map((seq) => seq + 1));
    const pages = await page(system.pool, {}, first.end, 1_000);
    expect(seqsOf(pages)).toEqual(range(2, odd.length * 2));
  });

  it('continues in the next stream incarnation', async () => {
    const { system, insert } = await stored();
    await insert([1, 3]);
    const first = await page(system.pool, {}, FIRST_POSITION, 100, 3);
    const { streamId: newer } = await SEKALI_LEDGER.registry.of(system.pool, {
      name: system.streamName,
      identity: 'second',
    });
    await system.pool.query(INSERT_EVENTS, [newer, [1], ['t2']]);
    const later = await page(system.pool, {}, first.end);
    expect([first.end.seq, later.events.map(({ streamId, seq }) => [streamId, seq])]).toEqual([
      3,
      [[newer, 1]],
    ]);
  });
});
