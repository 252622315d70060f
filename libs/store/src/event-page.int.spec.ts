import { describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, type TestSystem } from '#testing';
import type { EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION, type AckFloor } from './event-page.js';
import { findEvent } from './event-queries.js';
import type { EventPage } from './found-page.js';
import { SEKALI_LEDGER, STORE_HORIZON } from './ledger.js';

const NO_FLOOR: AckFloor = () => Promise.resolve(0);

const INSERT_EVENTS = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT topic, 'e' || seq, $1, seq, 0 FROM unnest($2::bigint[], $3::text[], $4::timestamptz[]) AS new (seq, topic, at)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, topic, 'e' || seq, 's' || seq % 3, at, $5::jsonb, now()
FROM unnest($2::bigint[], $3::text[], $4::timestamptz[]) AS new (seq, topic, at)`;

interface Rows {
  readonly topicOf?: (seq: number) => string;
  readonly timeOf?: (seq: number) => Date;
  readonly payload?: string;
}

async function insert(
  database: Queryable,
  streamId: number,
  seqs: readonly number[],
  rows: Rows = {},
): Promise<void> {
  const { topicOf = (seq) => `t${seq % 2}`, timeOf = (seq) => new Date(seq * 1_000), payload = '{}' } = rows;
  await database.query(INSERT_EVENTS, [streamId, seqs, seqs.map(topicOf), seqs.map(timeOf), payload]);
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);
const seqsOf = (page: EventPage): number[] => page.events.map((event) => event.seq);

async function systemWithStream(identity = 'first'): Promise<{ system: TestSystem; streamId: number }> {
  const system = await createTestSystem();
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity });
  return { system, streamId };
}

/** Reads all pages. */
async function readAll(database: Queryable, filter: EventFilter, limit: number): Promise<EventPage[]> {
  const pages: EventPage[] = [];
  let after = FIRST_POSITION;
  for (;;) {
    const page = await eventPage(database, filter, after, limit, NO_FLOOR);
    pages.push(page);
    if (page.next === undefined) return pages;
    after = page.next;
  }
}

describe('a page of events', () => {
  it('neither skips nor repeats an event while transactions commit out of order', async () => {
    const { system, streamId } = await systemWithStream();
    const total = 3_000;
    // Six writers hold transactions open whose sequences interleave; a seeded shuffle decides who commits next.
    const batches = Array.from({ length: total / 20 }, (_, n) => range(n * 20 + 1, n * 20 + 20));
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    let writing = true;
    const write = async (): Promise<void> => {
      const open: { seqs: number[]; commit: () => Promise<void> }[] = [];
      while (batches.length > 0 || open.length > 0) {
        const seqs = open.length < 3 ? batches.shift() : undefined;
        if (seqs !== undefined) {
          const client = await system.pool.connect();
          await client.query('BEGIN');
          await insert(client, streamId, seqs);
          const commit = async (): Promise<void> => {
            await client.query('COMMIT');
            client.release();
          };
          open.push({ seqs, commit });
        } else {
          await open.splice(Math.floor(random() * open.length), 1)[0]?.commit();
        }
      }
      writing = false;
    };
    const read: number[] = [];
    const readOn = async (): Promise<void> => {
      let after = FIRST_POSITION;
      for (;;) {
        const mayEnd = !writing;
        const page = await eventPage(system.pool, {}, after, 50, NO_FLOOR);
        if (page.next === undefined && !mayEnd) continue;
        read.push(...seqsOf(page));
        if (page.next === undefined) return;
        after = page.next;
      }
    };
    await Promise.all([write(), readOn()]);
    expect(read).toEqual(range(1, total));
  });

  it('ends before a gap that is not settled, and the next page continues once it is', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, [...range(1, 10), ...range(12, 40)]);
    const first = await eventPage(system.pool, {}, FIRST_POSITION, 20, NO_FLOOR);
    expect(seqsOf(first)).toEqual(range(1, 10));
    expect(first.next).toEqual({ streamId, seq: 10 });
    const waiting = await eventPage(system.pool, {}, { streamId, seq: 10 }, 20, NO_FLOOR);
    const here = { streamId, seq: 10 };
    expect(waiting).toEqual({ events: [], next: here, end: here, isWaiting: true });
    await insert(system.pool, streamId, [11]);
    const second = await eventPage(system.pool, {}, { streamId, seq: 10 }, 20, NO_FLOOR);
    expect(seqsOf(second)).toEqual(range(11, 30));
  });

  it('has all events when it reaches the end, whether there are gaps or not', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, [1, 2, 5]);
    const page = await eventPage(system.pool, {}, FIRST_POSITION, 3, NO_FLOOR);
    expect([seqsOf(page), page.next]).toEqual([[1, 2, 5], undefined]);
  });

  it('does not wait for messages that left the stream before they were consumed', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(101, 140));
    const page = await eventPage(system.pool, {}, FIRST_POSITION, 20, ({ identity }) =>
      Promise.resolve(identity === 'first' ? 100 : 0),
    );
    expect(seqsOf(page)).toEqual(range(101, 120));
  });

  it('is followed by the events of the next stream incarnation', async () => {
    const { system, streamId: old } = await systemWithStream();
    await insert(system.pool, old, [1, 2, 7, 9]);
    const { streamId: newer } = await SEKALI_LEDGER.registry.of(system.pool, {
      name: system.streamName,
      identity: 'second',
    });
    await insert(system.pool, newer, range(1, 5), { topicOf: () => 'new' });
    const pages = await readAll(system.pool, {}, 2);
    expect(pages.flatMap(seqsOf)).toEqual([1, 2, 7, 9, 1, 2, 3, 4, 5]);
  });

  it.each<[string, EventFilter, (seq: number) => boolean]>([
    ['topic', { topic: 't1' }, (seq) => seq % 2 === 1],
    ['source', { source: 's2' }, (seq) => seq % 3 === 2],
    ['topic and source', { topic: 't0', source: 's0' }, (seq) => seq % 6 === 0],
    [
      'time, first included, last excluded',
      { since: at(100), until: at(200) },
      (seq) => seq >= 100 && seq < 200,
    ],
    ['topic and time', { topic: 't1', since: at(950) }, (seq) => seq % 2 === 1 && seq >= 950],
    ['an unused topic', { topic: 'none' }, () => false],
  ])('holds all events that match, and no others: %s', async (_, filter, isExpected) => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(1, 1_000));
    const pages = await readAll(system.pool, filter, 40);
    expect(pages.flatMap(seqsOf)).toEqual(range(1, 1_000).filter(isExpected));
    expect(pages.every((page) => page.events.length <= 40)).toBe(true);
  });

  it('finds the events of a long span of time behind many others', async () => {
    const { system, streamId } = await systemWithStream();
    const day = 86_400_000;
    for (let from = 1; from <= 120_000; from += 20_000) {
      // The span has more events than are sorted, and more events than one page walks precede it.
      await insert(system.pool, streamId, range(from, from + 19_999), {
        timeOf: (seq) => new Date(seq > 90_000 ? 2 * day : day),
      });
    }
    const page = await eventPage(
      system.pool,
      { since: new Date(2 * day).toISOString() },
      FIRST_POSITION,
      10,
      NO_FLOOR,
    );
    expect(seqsOf(page)).toEqual(range(90_001, 90_010));
    expect(page.reached).toBeUndefined();
    // The walk tries 50,000 events, which are fewer than fill the page.
    const filter = { since: new Date(2 * day).toISOString() };
    const short = await eventPage(system.pool, filter, { streamId, seq: 50_000 }, 20_000, NO_FLOOR);
    expect([short.events.length, short.reached?.seq]).toEqual([10_000, 100_000]);
  });

  it('keeps its bound on bytes, and always makes progress', async () => {
    const { system, streamId } = await systemWithStream();
    const payload = JSON.stringify({ text: 'x'.repeat(1_000_000) });
    await insert(system.pool, streamId, range(1, 70), { payload });
    const pages = await readAll(system.pool, {}, 100);
    expect(pages.map((page) => page.events.length)).toEqual([33, 33, 4]);
    expect(pages.flatMap(seqsOf)).toEqual(range(1, 70));
  });

  it('of thousands of large events ends early, so that no statement prints them all', async () => {
    const { system, streamId } = await systemWithStream();
    // The payloads are compressed to a hundredth, so their stored size says little about their printed size.
    const payload = JSON.stringify({ text: 'x'.repeat(243_000) });
    await insert(system.pool, streamId, range(1, 2_400), { payload });
    const plans: string[] = [];
    const explaining: Queryable = {
      query: async (text, values = []) => {
        if (text.includes('payload_text')) {
          const explained = await system.pool.query<Record<'QUERY PLAN', string>>(
            `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) ${text}`,
            [...values],
          );
          plans.push(explained.rows.map((row) => row['QUERY PLAN']).join('\n'));
        }
        return system.pool.query(text, [...values]);
      },
    };
    const first = await eventPage(explaining, {}, FIRST_POSITION, 10_000, NO_FLOOR);
    expect(seqsOf(first)).toEqual(range(1, 137));
    // The outermost window counts the printed events.
    const printed = plans.map((plan) => Number(/WindowAgg \(actual rows=(\d+)/.exec(plan)?.[1]));
    expect(printed.length).toBeGreaterThan(0);
    expect(Math.max(...printed)).toBeLessThan(500);
    const second = await eventPage(system.pool, {}, first.next ?? FIRST_POSITION, 10_000, NO_FLOOR);
    expect(seqsOf(second)[0]).toBe(138);
  });

  it('of many small events is complete, however many statements it takes', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(1, 3_500));
    for (const limit of [150, 2_499, 2_500, 2_501, 3_499, 3_500, 10_000]) {
      const page = await eventPage(system.pool, {}, FIRST_POSITION, limit, NO_FLOOR);
      expect(seqsOf(page)).toEqual(range(1, Math.min(limit, 3_500)));
      expect([limit, page.next?.seq]).toEqual([limit, limit < 3_500 ? limit : undefined]);
    }
  });

  it('is never read by a scan of the event table', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(1, 20_000), { topicOf: (seq) => `t${seq % 50}` });
    await system.pool.query('ANALYZE sekali.event');
    const plans: string[] = [];
    const explaining: Queryable = {
      query: async (text, values) => {
        if (text.includes('FROM sekali.event\n') || text.includes('FROM sekali.event ')) {
          const { rows } = await system.pool.query<Record<'QUERY PLAN', string>>(`EXPLAIN ${text}`, [
            ...(values ?? []),
          ]);
          plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
        }
        return system.pool.query(text, values === undefined ? undefined : [...values]);
      },
    };
    const filters: EventFilter[] = [
      {},
      { topic: 't1' },
      { source: 's1' },
      { topic: 't1', source: 's1' },
      { since: at(15_000), until: at(15_100) },
      { topic: 't1', since: at(15_000) },
      { topics: ['t1', 't2', 't3'] },
      { topics: ['t1', 't2'], source: 's1' },
    ];
    for (const filter of filters) await eventPage(explaining, filter, { streamId, seq: 100 }, 50, NO_FLOOR);
    expect(plans.length).toBeGreaterThanOrEqual(filters.length);
    // Only an empty partition is cheaper to scan than to search.
    const scanned = plans.flatMap((plan) => [...plan.matchAll(/Seq Scan on (event_\w+).*rows=(\d+)/g)]);
    expect(scanned.filter(([, , rows]) => Number(rows) > 1).map(([line]) => line)).toEqual([]);
  });
});

describe('the settled horizon', () => {
  it('counts stored events, duplicates and dead letters, and stops at the first gap', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, [...range(1, 3), 6, 8]);
    await system.pool.query(
      `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 4, 't', 'e', $1, 1, false, now())`,
      [streamId],
    );
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       VALUES ($1, 5, 't', 's', 'not_json', '', '', 1, now())`,
      [streamId],
    );
    expect(await STORE_HORIZON.settled(system.pool, streamId)).toBe(6);
    expect(await STORE_HORIZON.kept(system.pool, streamId)).toBe(6);
    expect(await STORE_HORIZON.settled(system.pool, streamId, 7)).toBe(8);
  });

  it('keeps nothing that only the ack floor shows, because a restored database has to read that again', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(1, 3));
    expect(await STORE_HORIZON.settled(system.pool, streamId, 500)).toBe(500);
    expect(await STORE_HORIZON.kept(system.pool, streamId)).toBe(3);
    expect(await STORE_HORIZON.settled(system.pool, streamId)).toBe(3);
  });

  it('never decreases, and walks over more than one step', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, range(1, 25_000));
    expect(await STORE_HORIZON.settled(system.pool, streamId)).toBe(25_000);
    await system.pool.query('DELETE FROM sekali.event_key WHERE seq = 5');
    expect(await STORE_HORIZON.settled(system.pool, streamId)).toBe(25_000);
  });
});

describe('one event', () => {
  it('keeps large numbers, odd names and microseconds unchanged', async () => {
    const { system, streamId } = await systemWithStream();
    const payload = '{"n": 12345678901234567890, "x": 1e-30, "__proto__": {"a": 1}}';
    await insert(system.pool, streamId, [1, 2], { topicOf: () => 't', payload });
    await system.pool.query(
      `UPDATE sekali.event SET "timestamp" = '2026-11-22 10:00:00.000123Z' WHERE seq = 2`,
    );
    await system.pool.query(`UPDATE sekali.event SET "timestamp" = '2026-11-22 10:00:00Z' WHERE seq = 1`);
    const [one, two] = await Promise.all([
      findEvent(system.pool, 't', 'e1'),
      findEvent(system.pool, 't', 'e2'),
    ]);
    expect(one).toMatchObject({ state: 'stored', event: { timestamp: '2026-11-22T10:00:00.000Z' } });
    expect(two).toMatchObject({ state: 'stored', event: { timestamp: '2026-11-22T10:00:00.000123Z' } });
    const { payload: read } = (two as Extract<typeof two, { state: 'stored' }>).event;
    expect(read).toContain('12345678901234567890');
    expect(JSON.parse(read)).toHaveProperty(['__proto__'], { a: 1 });
  });

  it('differs from one whose payload was dropped, and from one that never existed', async () => {
    const { system, streamId } = await systemWithStream();
    await insert(system.pool, streamId, [1], { topicOf: () => 't' });
    await system.pool.query('DELETE FROM sekali.event');
    expect(await findEvent(system.pool, 't', 'e1')).toMatchObject({
      state: 'dropped',
      seq: 1,
      duplicatesDropped: 0,
    });
    expect(await findEvent(system.pool, 't', 'e2')).toEqual({ state: 'unknown' });
  });
});

function at(seq: number): string {
  return new Date(seq * 1_000).toISOString();
}
