/** Closed days get the indexes that rules ask for, and a search has the same events with and without them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, type Queryable } from '#postgres';
import { createRoles, createTestSystem, waitFor, type TestSystem } from '#testing';
import type { EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { grantRights } from './grants.js';
import { indexRules, writeIndexRules } from './index-rules.js';
import { SEKALI_LEDGER } from './ledger.js';
import { newestPage } from './newest-page.js';
import { ensurePartitions } from './partitions.js';
import { changePayloadIndexes } from './payload-indexes.js';

const DAY_MS = 86_400_000;
const PERMISSION_DENIED = '42501';
const BYTES_MAX = 8_388_608;
const PER_DAY = 20_000;
const EVENTS = 2 * PER_DAY + 5_000;
/** Sequences that were stored today, although those around them were stored before. */
const LATE = [100, 30_000];
const RARE = 1_999;

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
async function search(filter: EventFilter, limit: number, order: 'oldest' | 'newest'): Promise<Search> {
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
  const seqs: number[] = [];
  let inspected = 0;
  const floor = (): Promise<number> => Promise.resolve(EVENTS);
  for (let place = order === 'oldest' ? FIRST_POSITION : undefined; ;) {
    const page =
      order === 'oldest'
        ? await eventPage(explaining, filter, place ?? FIRST_POSITION, limit, floor, BYTES_MAX)
        : await newestPage(explaining, filter, { before: place, limit, bytesMax: BYTES_MAX }, floor);
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

async function change(options: { readonly checkEveryMs?: number } = {}): Promise<string[]> {
  const changes: string[] = [];
  const onChange = (name: string, what: string): void => {
    changes.push(`${name} ${what}`);
  };
  expect(await changePayloadIndexes(worker, { ...options, onChange })).toBe(true);
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
    const name = (ago: number): string => `sekali.${dayName(ago)}_by_fields built`;
    expect([...one, ...other].filter((built) => [2, 3].some((ago) => built === name(ago)))).toEqual([
      name(2),
      name(3),
    ]);
    expect(await indexes()).toEqual([3, 2].map((ago) => `${dayName(ago)}_by_fields`));
    expect(await change()).toEqual([]);
    const drop = worker.query(`DROP INDEX sekali.${dayName(2)}_by_fields`);
    await expect(drop).rejects.toMatchObject({ code: PERMISSION_DENIED });
  });

  it('name what a search for fields looks for, so that it tries few other events', async () => {
    for (const order of ['oldest', 'newest'] as const) {
      const { inspected, plans } = await search({ where: [['{"none":1}']] }, 10, order);
      expect(plans).toContain(`Bitmap Index Scan on ${dayName(3)}_by_fields`);
      expect(plans).toContain(`Bitmap Index Scan on ${dayName(2)}_by_fields`);
      expect(inspected).toBeLessThan(0.6 * EVENTS);
    }
    expect((await search({ text: 'needle' }, 7, 'oldest')).plans).toBe('');
    await expectEverySearchRight();
  });

  it('name parts of texts where a rule asks for that', async () => {
    await writeIndexRules(system.pool, indexRules('t1=text'));
    expect(await change()).toEqual([2, 3].map((ago) => `sekali.${dayName(ago)}_by_text built`));
    const { inspected, plans } = await search({ text: 'n0thing' }, 10, 'oldest');
    expect(plans).toContain(`Bitmap Index Scan on ${dayName(2)}_by_text`);
    expect(inspected).toBeLessThan(0.6 * EVENTS);
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
    const building = changePayloadIndexes(worker, { onChange: () => undefined, checkEveryMs: 5 });
    await waitFor(
      async () => {
        const { rows } = await system.pool.query(
          `SELECT FROM pg_locks WHERE relation = $1::regclass AND mode = 'ShareLock' AND granted`,
          [day],
        );
        return rows.length > 0;
      },
      { timeoutMs: 20_000, describe: 'the build to begin' },
    );
    const writer = await system.pool.connect();
    await writer.query(`BEGIN; LOCK TABLE ${day} IN ROW EXCLUSIVE MODE`);
    const built = await indexes();
    await writer.query('COMMIT');
    writer.release();
    expect(await building).toBe(false);
    expect(built).not.toContain(`${dayName(2)}_by_text`);
    expect((await change()).at(-1)).toBe(`sekali.${dayName(3)}_by_text built`);
    expect(await indexes()).toHaveLength(4);
  });
});
