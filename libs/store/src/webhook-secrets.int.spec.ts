import { describe, expect, it } from '@jest/globals';
import type { WebhookSecret } from '#contracts';
import { createTestSystem } from '#testing';
import {
  activeWebhookSecrets,
  insertWebhookSecret,
  listWebhookSecrets,
  revokeWebhookSecret,
} from './webhook-secrets.js';

const secretOf = (digit: string, more: Partial<WebhookSecret> = {}): WebhookSecret => ({
  secret_id: digit.repeat(16),
  name: `secret "${digit}"`,
  topic: 'a.b',
  provider: 'github',
  source: 'github',
  secret: `known only to ${digit}`,
  tolerance_seconds: 300,
  headers: ['content-type', 'x-github-event'],
  rules: null,
  ...more,
});

const rules = {
  signature_header: 'x-signature',
  algorithm: 'sha256',
  encoding: 'hex',
  prefix: 'sha256=',
  signed: '{timestamp}.{body}',
  timestamp_header: 'x-time',
} as const;

describe('secrets of webhooks', () => {
  it('are read as they were added, and erased when they are revoked', async () => {
    const { pool } = await createTestSystem();
    const given = [secretOf('1'), secretOf('2', { provider: 'hmac', rules, topic: 'c' })];
    for (const secret of given) expect(await insertWebhookSecret(pool, secret)).toBe(true);
    expect(await activeWebhookSecrets(pool)).toEqual(given);
    const revoked = await revokeWebhookSecret(pool, '1'.repeat(16));
    expect(revoked).toMatchObject({ secret_id: '1'.repeat(16), revoked_at: expect.any(Date) });
    expect(await revokeWebhookSecret(pool, '1'.repeat(16))).toEqual(revoked);
    expect(await revokeWebhookSecret(pool, '3'.repeat(16))).toBeUndefined();
    expect(await activeWebhookSecrets(pool)).toEqual(given.slice(1));
    const listed = await listWebhookSecrets(pool);
    expect(listed.map(({ secret_id, revoked_at }) => [secret_id[0], revoked_at !== null])).toEqual([
      ['1', true],
      ['2', false],
    ]);
    expect(JSON.stringify(listed)).not.toContain('known only');
    const { rows } = await pool.query<{ secret: string | null }>(
      'SELECT secret FROM sekali.webhook_secret ORDER BY secret_id',
    );
    expect(rows).toEqual([{ secret: null }, { secret: 'known only to 2' }]);
  });

  it('are at most four of one topic, and a revoked one makes room', async () => {
    const { pool } = await createTestSystem();
    const added: boolean[] = [];
    for (const digit of '12345') added.push(await insertWebhookSecret(pool, secretOf(digit)));
    expect(added).toEqual([true, true, true, true, false]);
    expect(await insertWebhookSecret(pool, secretOf('6', { topic: 'c' }))).toBe(true);
    await revokeWebhookSecret(pool, '1'.repeat(16));
    expect(await insertWebhookSecret(pool, secretOf('5'))).toBe(true);
  });

  it.each([
    ['an unknown provider', { provider: 'gitlab' as never }],
    ['an empty secret', { secret: '' }],
    ['rules that its provider has not', { rules }],
    ['no rules of a sender that is not known', { provider: 'hmac' as const }],
    ['no tolerance', { tolerance_seconds: 0 }],
  ])('are refused by the database with %s', async (_, wrong) => {
    const { pool } = await createTestSystem();
    await expect(insertWebhookSecret(pool, secretOf('1', wrong))).rejects.toMatchObject({ code: '23514' });
  });
});
