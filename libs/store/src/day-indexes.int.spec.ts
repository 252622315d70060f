/** A closed day gets its index by source, and a page by source is the same with and without it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, type Queryable } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { indexClosedDays, indexedBefore } from './day-indexes.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { grantRights } from './grants.js';
import { SEKALI_LEDGER } from './ledger.js';
import { ensurePartitions } from './partitions.js';

const DAY_MS = 86_400_000;
const PERMISSION_DENIED = '42501';
/** More events than one statement tries. */
const PRESENT = 60_000;
const PAST_PER_DAY = 3_000;

const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT $1, seq, 't', 'e' || seq, CASE WHEN seq = ANY($4::bigint[]) THEN 'rare' ELSE 's' || seq % 2 END, now(), '{}', now(), $5
FROM generate_series($2::bigint, $3::bigint) AS seq`;

let system: TestSystem;
let worker: Pool;
let streamId: number;
/** The sequences of the rare source: one in each of two closed days, and two in the present one. */
const RARE = [700, PAST_PER_DAY + 50, 2 * PAST_PER_DAY + 10, 2 * PAST_PER_DAY + PRESENT];

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 2, transactionMsMax: 30_000 });
  const registry = SEKALI_LEDGER.registry;
  ({ streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' }));
  await ensurePartitions(system.pool, new Date(Date.now() - 3 * DAY_MS));
  await insert(1, PAST_PER_DAY, 3);
  await insert(PAST_PER_DAY + 1, 2 * PAST_PER_DAY, 2);
  await insert(2 * PAST_PER_DAY + 1, 2 * PAST_PER_DAY + PRESENT, 0);
  await system.pool.query('ANALYZE sekali.event');
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

async function insert(first: number, last: number, daysAgo: number): Promise<void> {
  const storedAt = new Date(Date.now() - daysAgo * DAY_MS);
  await system.pool.query(INSERT, [streamId, first, last, RARE, storedAt]);
}

const dayName = (ago: number): string =>
  `event_${new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;

/** Reads every page, and what Postgres did for the walks along the source. */
async function readSource(source: string): Promise<{ seqs: number[]; pages: number; plans: string }> {
  const plans: string[] = [];
  const explaining: Queryable = {
    query: async (text, values = []) => {
      if (text.includes('closed AS MATERIALIZED')) {
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
  let after = FIRST_POSITION;
  for (let pages = 1; ; pages++) {
    const page = await eventPage(explaining, { source }, after, 1_000, () =>
      Promise.resolve(2 * PAST_PER_DAY + PRESENT),
    );
    seqs.push(...page.events.map(({ seq }) => seq));
    if (page.next === undefined) return { seqs, pages, plans: plans.join('\n') };
    after = page.next;
  }
}

describe('the index of a closed day', () => {
  it('is missing at first, and a page by source has every event nevertheless', async () => {
    expect(new Date(await indexedBefore(worker)).getTime()).toBeLessThan(Date.now() - 3 * DAY_MS);
    const { seqs, plans } = await readSource('rare');
    expect(seqs).toEqual(RARE);
    expect(plans).not.toContain('_by_source on event_2');
  });

  it('is built by workers, one of them at a time, oldest day first, for closed days alone', async () => {
    const built: string[] = [];
    const build = (): Promise<void> => indexClosedDays(worker, (name) => built.push(name));
    await Promise.all([build(), build()]);
    await build();
    expect(built.slice(0, 2)).toEqual([3, 2].map((ago) => `sekali.${dayName(ago)}_by_source`));
    expect(built).not.toContain(`sekali.${dayName(0)}_by_source`);
    expect(new Set(built).size).toBe(built.length);
    await expect(worker.query(`DROP INDEX ${built[0]}`)).rejects.toMatchObject({ code: PERMISSION_DENIED });
  });

  it('is what a page by source then walks along; only days since then are tried event by event', async () => {
    const before = new Date(await indexedBefore(worker)).getTime();
    expect(before).toBeGreaterThan(Date.now() - 2 * DAY_MS);
    expect(before).toBeLessThanOrEqual(Date.now());
    const { seqs, pages, plans } = await readSource('rare');
    expect(seqs).toEqual(RARE);
    // The walk over the present day ends once before its last event.
    expect(pages).toBe(2);
    expect(plans).toContain(`${dayName(3)}_by_source`);
    expect((await readSource('s1')).seqs).toHaveLength((2 * PAST_PER_DAY + PRESENT) / 2);
  });

  it('counts again when a partition before it loses its index', async () => {
    await system.pool.query(`DROP INDEX sekali.${dayName(2)}_by_source`);
    expect(new Date(await indexedBefore(worker)).toISOString().slice(0, 10)).toBe(
      new Date(Date.now() - 2 * DAY_MS).toISOString().slice(0, 10),
    );
    expect((await readSource('rare')).seqs).toEqual(RARE);
    await system.pool.query('DROP INDEX sekali.event_default_by_source');
    expect(await indexedBefore(worker)).toBe('-infinity');
    expect((await readSource('rare')).seqs).toEqual(RARE);
  });
});
