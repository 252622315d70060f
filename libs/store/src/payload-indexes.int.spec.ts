/** Closed days get the indexes that rules ask for, and a search has the same events with and without them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, type Queryable } from '#postgres';
import { createRoles, createTestSystem, waitFor, type TestSystem } from '#testing';
import { indexedCondition, type EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { grantRights } from './grants.js';
import { indexRules, writeIndexRules } from './index-rules.js';
import { IndexedStretches } from './indexed-stretches.js';
import { SEKALI_LEDGER } from './ledger.js';
import { newestPage } from './newest-page.js';
import { ensurePartitions } from './partitions.js';
import { changePayloadIndexes, type PayloadIndexPass } from './payload-indexes.js';

const DAY_MS = 86_400_000;
const PERMISSION_DENIED = '42501';
const BYTES_MAX = 8_388_608;
const PER_DAY = 20_000;
const EVENTS = 2 * PER_DAY + 5_000;
/** Sequences that were stored today, although those around them were stored before. */
const LATE = [100, 30_000];
const RARE = 1_999;
/** Each takes a second, and a slow machine asks more of them. */
const SLOW_QUESTIONS = 3;

/** An event of the second day may have a lower sequence than one of the first. */
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT $1, seq, 't' || seq % 3, 'e' || seq, 's' || seq % 2, now(),
  jsonb_build_object('n', seq, 'half', seq % 2 = 0, 'level', CASE WHEN seq % 5 = 0 THEN 'error' ELSE 'info' END)
    || CASE WHEN seq % ${RARE} = 0 OR seq = ANY ($3) THEN '{"rare": true, "note": "a Needle, 50%"}' ELSE '{}' END::jsonb, now(),
  CASE WHEN seq = ANY ($3) OR seq > ${2 * PER_DAY} THEN now()
    WHEN seq < ${PER_DAY - 1_000} OR (seq < ${PER_DAY + 1_000} AND seq % 2 = 1) THEN now() - interval '3 days'
    ELSE now() - interval '2 days' END
FROM generate_series(1, $2::bigint) AS seq`;

const BUILDING = `SELECT FROM pg_locks WHERE relation = $1::regclass AND mode = 'ShareLock' AND granted`;

let system: TestSystem;
let worker: Pool;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 4, transactionMsMax: 60_000 });
  const registry = SEKALI_LEDGER.registry;
  const { streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' });
  await ensurePartitions(system.pool, new Date(Date.now() - 3 * DAY_MS));
  await system.pool.query(INSERT, [streamId, EVENTS, LATE]);
  await system.pool.query('ANALYZE sekali.event');
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

const dayName = (ago: number): string =>
  `event_${new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

const isRare = (seq: number): boolean => seq % RARE === 0 || LATE.includes(seq);
const rare = { where: [['{"rare":true}']] };

/** Filters, the events that each should find, and the number of events of a page. */
const SEARCHES: readonly [EventFilter, (seq: number) => boolean, number][] = [
  [rare, isRare, 7],
  [{ ...rare, topics: ['t0', 't1'] }, (seq) => isRare(seq) && seq % 3 < 2, 100],
  [{ ...rare, topic: 't2', source: 's1' }, (seq) => isRare(seq) && seq % 3 === 2 && seq % 2 === 1, 5],
  [{ ...rare, levelMin: 'error' }, (seq) => isRare(seq) && seq % 5 === 0, 100],
  [{ text: 'nEEdle, 50%' }, isRare, 7],
  [{ ...rare, text: 'needle' }, isRare, 100],
  [{ where: [['{"n":29999}', '{"n":30001}']] }, (seq) => seq === 29_999 || seq === 30_001, 10],
  [{ where: [['{"half":true}']] }, (seq) => seq % 2 === 0, 10_000],
  [{ where: [['{"none":1}']] }, () => false, 10],
  [{ text: 'no' }, isRare, 20],
];

interface Search {
  readonly seqs: readonly number[];
  readonly inspected: number;
  readonly plans: string;
}

/** Reads every page, and what Postgres did to ask an index. */
async function search(
  filter: EventFilter,
  limit: number,
  order: 'oldest' | 'newest',
  database?: Queryable,
): Promise<Search> {
  const plans: string[] = [];
  const explaining: Queryable = {
    query: async (text, values = []) => {
      if (text.includes('indexed AS MATERIALIZED')) {
        const { rows } = await system.pool.query<Record<'QUERY PLAN', string>>(
          `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${text}`,
          [...values],
        );
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return system.pool.query(text, [...values]);
    },
  };
  const asked = database ?? explaining;
  const seqs: number[] = [];
  let inspected = 0;
  const floor = (): Promise<number> => Promise.resolve(EVENTS);
  for (let place = order === 'oldest' ? FIRST_POSITION : undefined; ;) {
    const page =
      order === 'oldest'
        ? await eventPage(asked, filter, place ?? FIRST_POSITION, limit, floor, BYTES_MAX)
        : await newestPage(asked, filter, { before: place, limit, bytesMax: BYTES_MAX }, floor);
    seqs.push(...page.events.map(({ seq }) => seq));
    inspected += page.inspected ?? 0;
    if (page.next === undefined) return { seqs, inspected, plans: plans.join('\n') };
    place = page.next;
  }
}

async function expectEverySearchRight(): Promise<void> {
  const all = Array.from({ length: EVENTS }, (_, n) => n + 1);
  for (const [filter, matches, limit] of SEARCHES) {
    const expected = all.filter(matches);
    expect({ filter, seqs: (await search(filter, limit, 'oldest')).seqs }).toEqual({
      filter,
      seqs: expected,
    });
    expected.reverse();
    expect({ filter, seqs: (await search(filter, limit, 'newest')).seqs }).toEqual({
      filter,
      seqs: expected,
    });
  }
}

/** Another process may build at the same time: then this one goes on once it has ended. */
async function change(): Promise<string[]> {
  const changes: string[] = [];
  const onChange = (name: string, what: string): void => {
    changes.push(`${name} ${what}`);
  };
  let pass = await changePayloadIndexes(worker, { onChange });
  while (pass === 'busy') pass = await changePayloadIndexes(worker, { onChange });
  expect(pass).toBe('done');
  return changes;
}

async function indexes(): Promise<readonly string[]> {
  const { rows } = await system.pool.query<{ name: string }>(
    String.raw`SELECT relname AS name FROM pg_class WHERE relkind = 'i' AND relname ~ '_by_(fields|text)$' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

describe('the indexes of payloads', () => {
  it('are missing without a rule, and every search has its events nevertheless', async () => {
    expect(await change()).toEqual([]);
    await expectEverySearchRight();
    const { inspected, plans } = await search({ where: [['{"none":1}']] }, 10, 'oldest');
    expect({ inspected, plans }).toEqual({ inspected: EVENTS, plans: '' });
  });

  it('are built for the closed days that have a topic of a rule, newest first, by one worker at a time', async () => {
    await writeIndexRules(system.pool, indexRules('none.>=text, t1=fields, >=none'));
    const [one, other] = await Promise.all([change(), change()]);
    expect([...one, ...other].sort()).toEqual([3, 2].map((ago) => `sekali.${dayName(ago)}_by_fields built`));
    expect(await indexes()).toEqual([3, 2].map((ago) => `${dayName(ago)}_by_fields`));
    expect(await change()).toEqual([]);
    const drop = worker.query(`DROP INDEX sekali.${dayName(2)}_by_fields`);
    await expect(drop).rejects.toMatchObject({ code: PERMISSION_DENIED });
  });

  it('name what a search for fields looks for, so that it tries few other events', async () => {
    for (const order of ['oldest', 'newest'] as const) {
      const asked = [2, 3].map((ago) => `Bitmap Index Scan on ${dayName(ago)}_by_fields`);
      // A walk measures itself: on a busy machine, it may be past a day before it asks again.
      await waitFor(
        async () => {
          const { inspected, plans } = await search({ where: [['{"none":1}']] }, 10, order);
          return asked.every((scan) => plans.includes(scan)) && inspected < 0.6 * EVENTS;
        },
        { timeoutMs: 25_000, describe: `a search for ${order} events that asks both indexes` },
      );
    }
    expect((await search({ text: 'needle' }, 7, 'oldest')).plans).toBe('');
    await expectEverySearchRight();
  });

  it('name fewer events where each took long to try, and none where that is too few', async () => {
    const { rows } = await system.pool.query<{ id: number }>(
      'SELECT stream_id AS id FROM sekali.event LIMIT 1',
    );
    const walk = { streamId: rows[0]?.id ?? -1, topics: undefined, order: 'oldest' } as const;
    const found = async (filter: EventFilter, tookMs: number): Promise<readonly number[] | undefined> => {
      const condition = indexedCondition(filter, IndexedStretches.FIRST);
      if (condition === undefined) throw new Error('an index has none of the conditions');
      // Without a pool, no time bounds the question.
      const database: Queryable = { query: (text, values = []) => system.pool.query(text, [...values]) };
      const stretches = new IndexedStretches(database, { ...walk, filter }, condition);
      return (await stretches.next(LATE[0] ?? 0, 10_000, tookMs))?.seqs;
    };
    const half = { where: [['{"half":true}']] };
    expect((await found(half, 50))?.length).toBeGreaterThan(5_000);
    expect(await found(half, 1_000)).toBeUndefined();
    expect((await found(rare, 1_000))?.slice(0, 2)).toEqual([RARE, 2 * RARE]);
    expect(await found(rare, 1_000_000)).toBeUndefined();
  });

  it('are left alone where their answer takes too long, and a search has the same events', async () => {
    const slow = createPool({
      ...{ url: system.postgresUrl, name: 'test', connectionsMax: 2, transactionMsMax: 10_000 },
    });
    let questions = 0;
    slow.on('connect', (client) => {
      const query = client.query.bind(client) as (...given: unknown[]) => unknown;
      const slowed = (text: unknown, ...rest: unknown[]): unknown => {
        if (typeof text !== 'string' || !text.includes('indexed AS MATERIALIZED'))
          return query(text, ...rest);
        if (questions++ >= SLOW_QUESTIONS) return query(text, ...rest);
        return query(text.replace('SELECT (SELECT count', 'SELECT pg_sleep(60), (SELECT count'), ...rest);
      };
      Object.assign(client, { query: slowed });
    });
    const all = Array.from({ length: EVENTS }, (_, n) => n + 1);
    const { seqs } = await search(rare, 100, 'oldest', slow);
    await slow.end();
    expect(questions).toBeGreaterThan(0);
    expect(seqs).toEqual(all.filter(isRare));
  });

  it('name parts of texts where a rule asks for that', async () => {
    await writeIndexRules(system.pool, indexRules('t1=text'));
    expect(await change()).toEqual([2, 3].map((ago) => `sekali.${dayName(ago)}_by_text built`));
    await waitFor(
      async () => {
        const { inspected, plans } = await search({ text: 'n0thing' }, 10, 'oldest');
        return plans.includes(`Bitmap Index Scan on ${dayName(2)}_by_text`) && inspected < 0.6 * EVENTS;
      },
      { timeoutMs: 25_000, describe: 'a search for texts that asks the index' },
    );
    // Two letters are no trigram.
    expect((await search({ text: 'no' }, 20, 'oldest')).plans).toBe('');
    await expectEverySearchRight();
  });

  it('are dropped when no rule asks for them', async () => {
    await writeIndexRules(system.pool, indexRules('>=fields'));
    expect(await change()).toEqual([2, 3].map((ago) => `sekali.${dayName(ago)}_by_text dropped`));
    expect(await writeIndexRules(system.pool, [])).toEqual([]);
    expect(await writeIndexRules(system.pool, [])).toBeUndefined();
    expect(await change()).toHaveLength(2);
    expect(await indexes()).toEqual([]);
  });

  it('let others write to the day at once: the build ends, leaves nothing, and succeeds later', async () => {
    await writeIndexRules(system.pool, indexRules('>=text'));
    const day = `sekali.${dayName(2)}`;
    const writer = await system.pool.connect();
    const builtMeanwhile: string[] = [];
    // Between two polls, a fast machine may build the whole index. Then the next try is another chance.
    const writeWhileBuilding = async (): Promise<PayloadIndexPass> => {
      let isEnded = false;
      const building = changePayloadIndexes(worker, { onChange: () => undefined, checkEveryMs: 5 }).finally(
        () => (isEnded = true),
      );
      await waitFor(async () => isEnded || (await writer.query(BUILDING, [day])).rows.length > 0, {
        timeoutMs: 20_000,
        intervalMs: 1,
        describe: 'the build to begin',
      });
      await writer.query(`BEGIN; LOCK TABLE ${day} IN ROW EXCLUSIVE MODE`);
      builtMeanwhile.splice(0, Infinity, ...(await indexes()));
      await writer.query('COMMIT');
      return building;
    };
    let pass = await writeWhileBuilding();
    for (let tries = 1; pass !== 'waited for' && tries < 20; tries++) {
      for (const name of await indexes()) await system.pool.query(`DROP INDEX sekali.${name}`);
      pass = await writeWhileBuilding();
    }
    writer.release();
    expect(pass).toBe('waited for');
    expect(builtMeanwhile).not.toContain(`${dayName(2)}_by_text`);
    expect((await change()).at(-1)).toBe(`sekali.${dayName(3)}_by_text built`);
    expect(await indexes()).toHaveLength(4);
  });
});
