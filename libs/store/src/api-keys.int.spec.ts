import { describe, expect, it } from '@jest/globals';
import type { ApiKeyEntry } from '#contracts';
import { createTestSystem } from '#testing';
import { activeApiKeys, insertApiKeys, listApiKeys, revokeApiKey } from './api-keys.js';

const key = (digit: string, more: Partial<ApiKeyEntry> = {}): ApiKeyEntry => ({
  key_id: digit.repeat(16),
  name: `key "${digit}"`,
  scopes: ['publish', 'read'],
  topics: null,
  hash: digit.repeat(64),
  ...more,
});

describe('API keys', () => {
  it('are added once, and read as they were added', async () => {
    const { pool } = await createTestSystem();
    const defaults = { topic: 'a.b', source: 's', id_field: 'id', time_field: '@timestamp' };
    const given = [key('1'), key('2', { topics: ['a.b', 'c.>'], scopes: ['admin'], defaults })];
    expect((await insertApiKeys(pool, given)).sort()).toEqual(given.map(({ key_id }) => key_id));
    expect(await insertApiKeys(pool, [key('1', { name: 'other', scopes: ['admin'] })])).toEqual([]);
    expect(await activeApiKeys(pool)).toEqual(given);
  });

  it('stay revoked, also when they are revoked or added again', async () => {
    const { pool } = await createTestSystem();
    await insertApiKeys(pool, [key('1'), key('2')]);
    const revoked = await revokeApiKey(pool, '1'.repeat(16));
    expect(revoked).toMatchObject({ key_id: '1'.repeat(16), revoked_at: expect.any(Date) });
    expect(await revokeApiKey(pool, '1'.repeat(16))).toEqual(revoked);
    expect(await revokeApiKey(pool, '3'.repeat(16))).toBeUndefined();
    expect(await insertApiKeys(pool, [key('1')])).toEqual([]);
    expect(await activeApiKeys(pool)).toEqual([key('2')]);
    const listed = await listApiKeys(pool);
    expect(listed.map(({ key_id, revoked_at }) => [key_id[0], revoked_at !== null])).toEqual([
      ['1', true],
      ['2', false],
    ]);
    expect(JSON.stringify(listed)).not.toContain('1'.repeat(64));
  });

  it.each([
    ['a plain token', { hash: 'sekali_x' }],
    ['no scopes', { scopes: [] }],
    ['an unknown scope', { scopes: ['write'] as never }],
    ['an empty list of topics', { topics: [] }],
    ['defaults that are no object', { defaults: [] as never }],
  ])('are refused by the database with %s', async (_, wrong) => {
    const { pool } = await createTestSystem();
    await expect(insertApiKeys(pool, [key('1', wrong)])).rejects.toMatchObject({ code: '23514' });
  });
});
