/** The queries that deploy/README.md shows, as the role of people who read, and what each of them finds. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { codeBlocks, createRoles, createTestSystem, readDocuments, type TestSystem } from '#testing';
import { grantRights, VIEWS } from './grants.js';

const ROOT = join(fileURLToPath(import.meta.url), '../../../..');
const SECTION = /^## Reading with SQL\n([^]*?)^## /m;

/** Three events, of which one was repeated, and once with another payload; a dead letter that waits, and one that was dropped. */
const ROWS = `
INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('orders.created', 'a', 1, 1, 0);
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT 1, seq, 'orders.created', chr(96 + seq), 's', now(), jsonb_build_object('status', CASE seq WHEN 3 THEN 500 ELSE 200 END, 'total', seq), now()
FROM generate_series(1, 3) AS seq;
INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, payload, published_at) VALUES
  (1, 4, 'orders.created', 'a', 1, 1, false, NULL, now()),
  (1, 5, 'orders.created', 'a', 1, 1, true, '{"status": 200, "total": 7}', now());
INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
SELECT 1, seq, 'logs', 'events.logs', 'not_json', 'x', 'x', 1, now() FROM generate_series(6, 7) AS seq;
INSERT INTO sekali.dead_letter_action (consumer, seq, published_at, number, kind, reason)
SELECT 'store', seq, published_at, 1, 'drop', 'a test' FROM sekali.dead_letter WHERE seq = 7;
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
VALUES (1, 'orders.created', 0, 3, 2, 1, 0, 0), (1, 'logs', 0, 0, 0, 0, 2, 0);`;

/** What each query finds, by its view. */
const FOUND: Record<keyof typeof VIEWS, readonly object[]> = {
  events: [
    { status: '200', count: '2' },
    { status: '500', count: '1' },
  ],
  duplicates: [{ topic: 'orders.created', event_id: 'a', repeats: '2' }],
  conflicts: [{ topic: 'orders.created', event_id: 'a', member: 'total', first: 1, later: 7 }],
  dead_letters: [{ reason: 'not_json', topic: 'logs', count: '1' }],
  counts: [{ stored: '3', duplicates: '2', dead_letters: '2' }],
};

let system: TestSystem;
let reader: Pool;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  reader = createPool({ url: urls.reader, name: 'test', connectionsMax: 1, transactionMsMax: 30_000 });
  await system.pool.query(ROWS);
});

afterAll(async () => {
  await reader.end();
  await system.dispose();
});

describe('the views', () => {
  const page = readDocuments(ROOT).find(({ path }) => path === 'deploy/README.md');
  const text = SECTION.exec(page?.text ?? '')?.[1] ?? '';
  const queries = codeBlocks({ path: 'deploy/README.md', text }).filter(({ language }) => language === 'sql');
  const viewOf = (query: string): string => /sekali\.(\w+)/.exec(query)?.[1] ?? '';

  it('have a query each in the README', () => {
    expect(queries.map((query) => viewOf(query.text)).sort()).toEqual(Object.keys(VIEWS));
  });

  it.each(queries.map((query) => [viewOf(query.text), query.text]))(
    '%s answers its query',
    async (view, query) => {
      const { rows } = await reader.query(query);
      expect(rows).toEqual((FOUND[view] ?? []).map((row) => expect.objectContaining(row)));
    },
  );

  it('count every message that the counters count', async () => {
    const sums = 'sum(stored) AS stored, sum(duplicates) AS duplicates, sum(dead_letters) AS dead_letters';
    const [counts, counter] = await Promise.all(
      ['counts', 'counter'].map((table) => reader.query(`SELECT ${sums} FROM sekali.${table}`)),
    );
    expect(counts?.rows).toEqual(counter?.rows);
  });
});
