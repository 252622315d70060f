/** A check that passes everything proves nothing, so each way in which a ledger can be wrong must be found. */
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { decodeEvent } from '#contracts';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem } from '#testing';
import type { Backlog } from '../environment/backlog.js';
import { type IdForm, storedEvent } from '../environment/event-sequence.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { keyBytes } from './key-tables.js';
import { checkLedger, emptyLedger, forgetStream } from './ledger.js';
import { checkPlainTable, emptyPlainTable, INSERT_ONE } from './plain-table.js';
import { settleFilters } from './settled-filters.js';
import { storeKeys } from './stored-keys.js';

const MESSAGES = 60;
const backlog: Backlog = {
  plan: { messages: MESSAGES, duplicateShare: 0 },
  stream: 'BACKLOG',
  identity: '2026-11-22T10:00:00Z',
  subjectPrefix: 'backlog',
  messages: MESSAGES,
  events: MESSAGES,
};
let pool: pg.Pool;
let url: string;

beforeAll(async () => {
  ({ pool, postgresUrl: url } = await createTestSystem());
});

async function drained(ids: IdForm = 'ordered'): Promise<void> {
  await emptyLedger(pool);
  const { streamId } = await SEKALI_LEDGER.registry.of(pool, {
    name: backlog.stream,
    identity: backlog.identity,
  });
  await storeKeys(pool, { streamId, keys: MESSAGES, ids });
}

describe('the check of the ledger after a drain', () => {
  it('accepts a ledger that accounts for every message', async () => {
    await drained();
    await expect(checkLedger(pool, backlog)).resolves.toBeUndefined();
  });

  it.each([
    ['a lost event', 'DELETE FROM sekali.event WHERE seq = 7', 'the ledger'],
    ['a lost key', 'DELETE FROM sekali.event_key WHERE seq = 7', 'the ledger'],
    [
      'a counter one too high',
      'UPDATE sekali.counter SET stored = stored + 1 WHERE topic = (SELECT min(topic) FROM sekali.counter)',
      'the counters',
    ],
  ])('rejects a ledger with %s', async (_, sabotage, reason) => {
    await drained();
    const { rowCount } = await pool.query(sabotage);
    expect(rowCount).toBe(1);
    const checked = checkLedger(pool, backlog);
    await expect(checked).rejects.toThrow(WrongSubjectError);
    await expect(checked).rejects.toThrow(reason);
  });

  it('rejects a ledger with fewer rows than messages', async () => {
    await drained();
    const more = { ...backlog, messages: MESSAGES + 1 };
    await expect(checkLedger(pool, more)).rejects.toThrow(WrongSubjectError);
  });

  it('empties one stream and keeps the others', async () => {
    await drained();
    const { streamId: other } = await SEKALI_LEDGER.registry.of(pool, {
      name: 'OTHER',
      identity: backlog.identity,
    });
    await storeKeys(pool, { streamId: other, keys: 30, ids: 'random' });
    await forgetStream(pool, backlog);
    const { rows } = await pool.query('SELECT DISTINCT stream_id::int AS id FROM sekali.event');
    expect(rows).toStrictEqual([{ id: other }]);
  });
});

describe('the stored keys', () => {
  it('are those of the events that a backlog repeats, so that none of them is a conflict', async () => {
    await drained('random');
    const { rows } = await pool.query(
      `SELECT key.seq::int AS number, topic, event_id AS "eventId", digest::text, payload
       FROM sekali.event_key key JOIN sekali.event USING (stream_id, seq, topic, event_id) ORDER BY 1`,
    );
    const expected = Array.from({ length: MESSAGES }, (_, index) => {
      const { topic, eventId, body } = storedEvent(index + 1);
      const data = Buffer.from(body);
      const decoded = decodeEvent(
        { subject: `events.${topic}`, data, header: () => undefined },
        'events',
        1_024,
      );
      if (!decoded.ok) throw new Error(decoded.detail);
      const { payload } = decoded.event;
      const digest = createHash('sha256').update(payload).digest().readBigInt64BE();
      return {
        number: index + 1,
        topic,
        eventId,
        digest: String(digest),
        payload: JSON.parse(payload) as unknown,
      };
    });
    expect(rows).toStrictEqual(expected);
  });

  it('are without events where the days were dropped by age', async () => {
    await emptyLedger(pool);
    await storeKeys(pool, { streamId: 1, keys: MESSAGES, hasEvents: false });
    const { rows } = await pool.query(
      `SELECT (SELECT count(*)::int FROM sekali.event_key) AS keys, (SELECT count(*)::int FROM sekali.event) AS events`,
    );
    expect(rows).toStrictEqual([{ keys: MESSAGES, events: 0 }]);
    expect(await keyBytes(pool)).toBeGreaterThan(0);
  });
});

describe('the filters of the stored keys', () => {
  const nothing = (): void => undefined;

  it('are all built before a drain is measured, within the memory of its worker', async () => {
    await drained('random');
    expect(await settleFilters(url, {}, nothing)).toEqual({ generations: 1, filters: 0, bytes: 0 });
    await pool.query(`SELECT sekali.change_key_generation('store', 0)`);
    const lines: string[] = [];
    const note = (line: string): void => void lines.push(line);
    const settled = await settleFilters(url, {}, note);
    expect(settled).toMatchObject({ generations: 2, filters: 1 });
    expect(settled.bytes).toBeGreaterThan(0);
    expect(lines).toEqual(['filter of keys built', 'filter of keys loaded']);
    const { rows } = await pool.query('SELECT keys::int FROM sekali.key_filter');
    expect(rows).toEqual([{ keys: MESSAGES }]);
    const none = { SEKALI_KEY_FILTER_BYTES_MAX: '0' };
    expect(await settleFilters(url, none, nothing)).toEqual({ generations: 2, filters: 0, bytes: 0 });
  });
});

describe('the check of the table of the other subjects', () => {
  it('requires as many rows as there were different events', async () => {
    await emptyPlainTable(pool);
    await pool.query(INSERT_ONE, ['orders', '1', 'shop', new Date(0), {}]);
    await expect(checkPlainTable(pool, { rowsMin: 1, rowsMax: 1 })).resolves.toBeUndefined();
    await expect(checkPlainTable(pool, { rowsMin: 2, rowsMax: 3 })).rejects.toThrow(WrongSubjectError);
    await expect(checkPlainTable(pool, { rowsMin: 0, rowsMax: 0 })).rejects.toThrow(WrongSubjectError);
  });
});
