/** Pages whose events are tried one by one, in both directions: each match once, none missed, and no walk without an end. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, type TestSystem } from '#testing';
import type { EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION, type AckFloor } from './event-page.js';
import type { EventPage } from './found-page.js';
import type { EventPosition } from './event-queries.js';
import { SEKALI_LEDGER } from './ledger.js';
import { newestPage, newestPosition, type NewestPage } from './newest-page.js';

const NO_FLOOR: AckFloor = () => Promise.resolve(0);
const BYTES_MAX = 8_388_608;

let system: TestSystem;
let streamId: number;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const registry = SEKALI_LEDGER.registry;
  ({ streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' }));
});

afterEach(async () => {
  await system.dispose();
});

const INSERT = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't' || seq % 3, 'e' || seq, $1, seq, 0 FROM unnest($2::bigint[]) AS seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 't' || seq % 3, 'e' || seq, 's' || seq % 2, '2026-11-22T10:00:00Z'::timestamptz + seq * interval '1 second',
  coalesce($3::jsonb, jsonb_build_object('n', seq, 'hundred', seq % 100 = 0, 'even', seq % 2 = 0)), now()
FROM unnest($2::bigint[]) AS seq`;

async function insert(seqs: readonly number[], payload?: unknown): Promise<void> {
  await system.pool.query(INSERT, [streamId, seqs, payload === undefined ? null : JSON.stringify(payload)]);
}

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => from + n * step);
const seqsOf = (page: Pick<EventPage, 'events'>): number[] => page.events.map(({ seq }) => seq);
const where = (...objects: readonly unknown[]): EventFilter => ({
  where: objects.map((object) => [JSON.stringify(object)]),
});

async function oldest(
  filter: EventFilter,
  limit: number,
  after: EventPosition = FIRST_POSITION,
): Promise<EventPage[]> {
  const pages: EventPage[] = [];
  for (;;) {
    const page = await eventPage(
      system.pool,
      filter,
      pages.at(-1)?.next ?? after,
      limit,
      NO_FLOOR,
      BYTES_MAX,
    );
    pages.push(page);
    if (page.next === undefined) return pages;
  }
}

async function newest(filter: EventFilter, limit: number): Promise<NewestPage[]> {
  const pages: NewestPage[] = [];
  for (;;) {
    const options = { before: pages.at(-1)?.next, limit, bytesMax: BYTES_MAX };
    const page = await newestPage(system.pool, filter, options, NO_FLOOR);
    pages.push(page);
    if (page.next === undefined) return pages;
  }
}

describe('a walk', () => {
  it('finds what a payload contains, in both orders, page by page', async () => {
    await insert(range(1, 5_000));
    for (const filter of [where({ hundred: true }), where({ hundred: true }, { even: true })]) {
      expect((await oldest(filter, 7)).flatMap(seqsOf)).toEqual(range(100, 5_000, 100));
      expect((await newest(filter, 7)).flatMap(seqsOf)).toEqual(range(100, 5_000, 100).reverse());
    }
    const ofTopics = { ...where({ hundred: true }), topics: ['t0', 't1'], source: 's0' };
    const expected = range(100, 5_000, 100).filter((seq) => seq % 3 < 2);
    expect((await oldest(ofTopics, 10)).flatMap(seqsOf)).toEqual(expected);
    expect((await newest(ofTopics, 10)).flatMap(seqsOf)).toEqual([...expected].reverse());
    const either = { where: [['{"n":7}', '{"n":4711}']] };
    expect((await oldest(either, 10)).flatMap(seqsOf)).toEqual([7, 4_711]);
  });

  it('says how much it inspected, and where its time ended it', async () => {
    await insert(range(1, 5_000));
    const [page] = await oldest(where({ none: 1 }), 10);
    expect(page).toMatchObject({ events: [], inspected: 5_000 });
    expect(page?.reached).toBeUndefined();
    expect(page?.end).toEqual({ streamId, seq: 5_000 });
    const large = 'x'.repeat(200_000);
    await insert(range(5_001, 5_600), { large });
    const pages = await oldest({ text: 'missing' }, 10, { streamId, seq: 5_000 });
    const inspected = pages.reduce((sum, one) => sum + (one.inspected ?? 0), 0);
    expect(inspected).toBe(600);
    for (const { reached, next } of pages.slice(0, -1)) {
      expect(reached?.seq).toBe(next?.seq);
      expect(Date.parse(reached?.storedAt ?? '')).toBeGreaterThan(0);
    }
  });

  it('begins with a small piece, because payloads may be large', async () => {
    await insert(range(1, 5_000));
    const sizes: number[] = [];
    const database = {
      query: (...given: [string, (readonly unknown[])?]) => {
        if (given[0].includes('AS is_end') && given[1]?.[3] !== undefined) sizes.push(Number(given[1][2]));
        return Reflect.apply(system.pool.query, system.pool, given) as Promise<unknown>;
      },
    } as unknown as Queryable;
    await eventPage(database, where({ none: 1 }), FIRST_POSITION, 10, NO_FLOOR, BYTES_MAX);
    expect(sizes[0]).toBeLessThanOrEqual(200);
  });

  it('finds a part of the text in any case, with the characters of patterns and of JSON', async () => {
    await insert([1], { message: 'Connection RESET by peer' });
    await insert([2], { message: '100% "sure"\nnext_line' });
    await insert([3], { message: '100x' });
    const found = async (text: string): Promise<number[]> =>
      (await oldest({ text: JSON.stringify(text).slice(1, -1) }, 10)).flatMap(seqsOf);
    expect(await found('reset BY')).toEqual([1]);
    expect(await found('100%')).toEqual([2]);
    expect(await found('t_l')).toEqual([2]);
    expect(await found('"sure"\n')).toEqual([2]);
    expect(await found('message')).toEqual([1, 2, 3]);
  });

  it('compares levels, under the names and numbers that loggers write', async () => {
    const payloads = [
      { level: 'warn' },
      { severity: 'ERROR' },
      { severity_text: '', severity_number: 17 },
      { severity_number: 9 },
      { PRIORITY: '3' },
      { PRIORITY: '6' },
      { level: 50 },
      { level: 30 },
      { log: { level: 'Fatal' } },
      { level: 'unheard of' },
      { level: { nested: true } },
      {},
    ];
    for (const [index, payload] of payloads.entries()) await insert([index + 1], payload);
    const found = async (levelMin: EventFilter['levelMin']): Promise<number[]> =>
      (await oldest({ levelMin }, 20)).flatMap(seqsOf);
    expect(await found('warn')).toEqual([1, 2, 3, 5, 7, 9]);
    expect(await found('error')).toEqual([2, 3, 5, 7, 9]);
    expect(await found('info')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('a page with the newest event first', () => {
  it('has each event once while others arrive, and is followed by what is newer', async () => {
    await insert(range(1, 100));
    const options = { limit: 30, bytesMax: BYTES_MAX };
    const first = await newestPage(system.pool, {}, options, NO_FLOOR);
    await insert(range(101, 120));
    const second = await newestPage(system.pool, {}, { ...options, before: first.next }, NO_FLOOR);
    expect([...seqsOf(first), ...seqsOf(second)]).toEqual(range(41, 100).reverse());
    expect(second.newer).toBeUndefined();
    expect((await oldest({}, 50, first.newer)).flatMap(seqsOf)).toEqual(range(101, 120));
  });

  it('begins above a gap that is not settled, and a reader that follows gets the gap and nothing twice', async () => {
    await insert([...range(1, 10), ...range(12, 20)]);
    const filter = where({ even: true });
    const page = await newestPage(system.pool, filter, { limit: 100, bytesMax: BYTES_MAX }, NO_FLOOR);
    expect(seqsOf(page)).toEqual([20, 18, 16, 14, 12, 10, 8, 6, 4, 2]);
    await insert([11], { even: true });
    await insert([22]);
    await insert([21]);
    expect((await oldest(filter, 100, page.newer)).flatMap(seqsOf)).toEqual([11, 22]);
  });

  it('continues in the incarnation before, and tells a reader of some topics nothing of others', async () => {
    await insert(range(1, 30));
    const registry = SEKALI_LEDGER.registry;
    const second = await registry.of(system.pool, { name: system.streamName, identity: 'second' });
    const firstId = streamId;
    streamId = second.streamId;
    await system.pool.query(`UPDATE sekali.event_key SET event_id = 'old-' || event_id`);
    await insert(range(1, 20));
    const pages = await newest({ topics: ['t0'] }, 4);
    const expected = [...range(3, 18, 3).reverse(), ...range(3, 30, 3).reverse()];
    expect(pages.flatMap(seqsOf)).toEqual(expected);
    expect(pages.flatMap(({ events }) => events.map((event) => event.streamId))).toEqual([
      ...Array.from({ length: 6 }, () => streamId),
      ...Array.from({ length: 10 }, () => firstId),
    ]);
    expect(pages[0]?.newer).toEqual({ streamId, seq: 18 });
    expect(await newestPosition(system.pool, { topics: ['t0'] }, NO_FLOOR)).toEqual({ streamId, seq: 18 });
  });

  it('takes times and sources, which are tried', async () => {
    await insert(range(1, 300));
    const filter = { since: '2026-11-22T10:01:40Z', until: '2026-11-22T10:03:20Z', source: 's1' };
    expect((await newest(filter, 9)).flatMap(seqsOf)).toEqual(range(101, 199, 2).reverse());
  });
});
