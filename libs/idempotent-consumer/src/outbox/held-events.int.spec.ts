/** What is held behind dead letters costs a relay the same, however much it is, and is found when nothing holds it. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import { MemoryEventPublisher } from '../memory/memory-event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { pagesOf } from '../test/pages.js';
import { watchedPool } from '../test/watched-pool.js';
import { FIRST_KEY } from './dead-letter-rows.js';
import type { Outbox } from './outbox.js';
import type { OutboxRow } from './outbox-row.js';
import { RelaySession } from './relay-session.js';

/** More keys than one part of a walk visits. */
const KEYS = 3_000;
const KEYS_A_PART = 1_000;
/** The index may get one level more. */
const FLAT_AT_MOST = 2;

let fixture: OutboxFixture;
let pool: pg.Pool;
let outbox: Outbox;

beforeEach(async () => {
  fixture = await OutboxFixture.create();
  ({ pool, outbox } = fixture);
});

afterEach(() => fixture.dispose());

/** Puts dead letters of some keys, each with events that are held behind it. The first numbers are those of the dead. */
async function hold(keys: number, heldOfEach: number, firstKey = 0): Promise<void> {
  await pool.query(
    `INSERT INTO outbox.dead_letter (number, topic, event_id, key, body, state, reason)
SELECT n * ($2 + 1) + at, 'orders', 'k' || n || '-' || at, 'k' || n, '{"topic":"orders"}',
  CASE at WHEN 0 THEN 'dead' ELSE 'held' END, 'test'
FROM generate_series($3::bigint, $3 + $1 - 1) AS n, generate_series(0, $2::bigint) AS at`,
    [keys, heldOfEach, firstKey],
  );
  await pool.query('VACUUM ANALYZE outbox.dead_letter');
}

/** The pages that each statement of a session reads in a round. */
async function pagesOfRound(): Promise<Record<string, number>> {
  const pages: Record<string, number> = {};
  const watched = watchedPool(pool, async (client, text, values) => {
    const [, kind] = /(WITH RECURSIVE|AS given|= 'released')/.exec(text) ?? [];
    if (kind !== undefined) pages[kind] = await pagesOf(client, text, values);
  });
  const session = await RelaySession.open(watched, outbox.tables, () => undefined);
  try {
    const { deadLetters } = session;
    expect(await deadLetters.released(1_000)).toEqual([]);
    expect((await deadLetters.freed(FIRST_KEY, KEYS_A_PART, 1_000)).rows).toEqual([]);
    const rows = Array.from({ length: 200 }, (_, n): OutboxRow => {
      return { number: n, topic: 'orders', eventId: `${n}`, key: `k${n * 7}`, body: '{}' };
    });
    const isBlocked = await deadLetters.blockedAmong(rows);
    expect(rows.every(isBlocked)).toBe(true);
    return pages;
  } finally {
    session.close();
  }
}

it('is found by the same searches of the index, when twenty times as many events are held', async () => {
  await hold(KEYS, 1);
  const few = await pagesOfRound();
  expect(Object.keys(few)).toHaveLength(3);
  await pool.query('TRUNCATE outbox.dead_letter');
  await hold(KEYS, 20);
  const many = await pagesOfRound();
  for (const [kind, count] of Object.entries(many)) {
    const isFlat = count <= (few[kind] ?? 0) * FLAT_AT_MOST;
    expect([kind, few[kind], count, isFlat]).toEqual([kind, few[kind], count, true]);
  }
});

it('is published when its dead letter goes, behind any number of keys that are still held', async () => {
  await hold(KEYS, 2);
  const publisher = new MemoryEventPublisher();
  const relay = fixture.startRelay({ publisher, onDeadLetter: 'hold' });
  const key = 'k2999';
  const { rows } = await pool.query<{ number: string }>(
    `SELECT number FROM outbox.dead_letter WHERE key = $1 AND state = 'dead'`,
    [key],
  );
  expect(await outbox.drop(pool, [rows[0]?.number ?? ''])).toBe(1);
  await waitFor(() => publisher.published.length >= 2, { timeoutMs: 30_000, describe: 'what was held' });
  // Another one is deleted by hand, and no one says so.
  await pool.query(`DELETE FROM outbox.dead_letter WHERE key = 'k1500' AND state = 'dead'`);
  await waitFor(() => publisher.published.length >= 4, { timeoutMs: 30_000, describe: 'what was held' });
  await relay.stop();
  expect(publisher.published.map(({ id }) => id)).toEqual(['k2999-1', 'k2999-2', 'k1500-1', 'k1500-2']);
  const { rowCount } = await pool.query(`SELECT FROM outbox.dead_letter WHERE state = 'held'`);
  expect(rowCount).toBe(2 * (KEYS - 2));
});
