/** Counts by time as a client asks for them: of topics, patterns and keys, with steps. */
import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyEntry } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem } from '#testing';
import { AT_A_TIME, PageRoom } from '../events/page-room.js';
import { OPEN_ACCESS } from '../keys/access.js';
import { problemOf, RunningGateway } from '../test/running-gateway.js';
import { Histograms, type HistogramView } from './histograms.js';

const COUNTED = `
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT 1, topic, 0, stored, 2, 1, 1, 0 FROM unnest($1::text[], $2::int[]) AS counted (topic, stored)`;
const TOPICS = ['logs.web', 'logs.app.one', 'orders.created', 'carts.created'];
const STORED = [1, 10, 100, 1_000];

async function counted(
  settings: Readonly<Record<string, string>> = {},
  keys: readonly ApiKeyEntry[] = [],
): Promise<RunningGateway> {
  const system = await createTestSystem({ replicas: 1 });
  await system.pool.query(COUNTED, [TOPICS, STORED]);
  await insertApiKeys(system.pool, keys);
  return RunningGateway.start({ ...system.environment, ...settings });
}

async function read(gateway: RunningGateway, query: string, token?: string): Promise<HistogramView> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await gateway.get(`/histogram${query}`, { headers });
  if (answer.status !== 200) throw new Error(answer.text);
  return JSON.parse(answer.text) as HistogramView;
}

describe('GET /histogram', () => {
  it('counts all topics, one topic, or those of a pattern', async () => {
    const gateway = await counted();
    const stored = async (query: string): Promise<number> => (await read(gateway, query)).totals.stored;
    expect(await stored('')).toBe(1_111);
    expect(await stored('?topic=orders.created')).toBe(100);
    expect(await stored('?topic=logs.>')).toBe(11);
    expect(await stored('?topic=logs.*')).toBe(1);
    expect(await stored('?topic=*.created')).toBe(1_100);
    expect(await stored('?topic=none')).toBe(0);
    const { buckets, totals, ...window } = await read(gateway, '?topic=logs.web');
    expect(totals).toEqual({ stored: 1, duplicates: 2, conflicts: 1, dead_letters: 1 });
    expect(buckets).toEqual([{ start: expect.stringMatching(/:00\.000Z$/), ...totals }]);
    expect(window).toMatchObject({ step_seconds: 60, counted_since: null });
  });

  it('takes a window and a step, which becomes longer for too many buckets', async () => {
    const gateway = await counted();
    const window = 'since=2026-11-20T10:00:30Z&until=2026-11-20T10:10:30Z';
    expect(await read(gateway, `?${window}&step=1m`)).toMatchObject({
      since: '2026-11-20T10:00:00.000Z',
      until: '2026-11-20T10:11:00.000Z',
      step_seconds: 60,
      buckets: [],
    });
    expect((await read(gateway, `?${window}&step=15m`)).until).toBe('2026-11-20T10:15:00.000Z');
    const years = 'since=2020-01-01T00:00:00Z&until=2030-01-01T00:00:00Z';
    expect((await read(gateway, `?${years}&step=60`)).step_seconds).toBe(3 * 86_400);
    expect((await read(gateway, `?${years}`)).step_seconds).toBe(11 * 86_400);
    expect((await read(gateway, '?step=36500d')).totals.stored).toBe(1_111);
    expect((await read(gateway, '?since=2026-11-20T10:00:00Z&until=2026-11-20T09:00:00Z')).buckets).toEqual(
      [],
    );
  });

  it('refuses what it does not understand, and says what to write', async () => {
    const gateway = await counted();
    for (const [query, parameter] of [
      ['step=7m', 'step'],
      ['step=0', 'step'],
      ['step=36501d', 'step'],
      ['step=999999999d', 'step'],
      ['since=yesterday', 'since'],
      ['topic=a..b', 'topic'],
      ['topic=>.a', 'topic'],
      ['bucket=1', 'bucket'],
    ])
      expect(problemOf(await gateway.get(`/histogram?${query}`))).toMatchObject({ status: 400, parameter });
  });

  it('is counted for a few at a time, and gives the place back when the database has answered', async () => {
    const system = await createTestSystem({ replicas: 1 });
    const gate = new EventEmitter();
    const database = {
      query: async (...given: unknown[]): Promise<unknown> => {
        await once(gate, 'open');
        return Reflect.apply(system.pool.query, system.pool, given) as Promise<unknown>;
      },
    } as unknown as Pool;
    const room = new PageRoom({ ...AT_A_TIME, bytesMax: 1, waitMsMax: 10 });
    const histograms = new Histograms(database, room);
    const first = histograms.read('', OPEN_ACCESS, 'a');
    await expect(histograms.read('', OPEN_ACCESS, 'b')).rejects.toMatchObject({ problem: { status: 503 } });
    const opening = setInterval(() => gate.emit('open'), 5);
    expect((await first).buckets).toEqual([]);
    expect((await histograms.read('', OPEN_ACCESS, 'b')).buckets).toEqual([]);
    clearInterval(opening);
  });

  it('shows a key the topics that it covers, and no others', async () => {
    const token = newApiKeyToken();
    const key_id = apiKeyIdOf(token) ?? '';
    const key = { key_id, name: 'k', scopes: ['read' as const], topics: ['logs.>'], hash: apiKeyHash(token) };
    const gateway = await counted({ SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' }, [key]);
    const stored = async (query: string): Promise<number> =>
      (await read(gateway, query, token)).totals.stored;
    expect(await stored('')).toBe(11);
    expect(await stored('?topic=logs.web')).toBe(1);
    expect(await stored('?topic=*.*')).toBe(1);
    const refused = await gateway.get('/histogram?topic=orders.created', {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(problemOf(refused)).toMatchObject({ status: 403, topic: 'orders.created' });
  });
});
