/** `sekali webhooks` as a process. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { activeWebhookSecrets } from '#store';
import { createTestSystem, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const folder = mkdtempSync(join(tmpdir(), 'sekali-webhooks-'));
const SHORT = join(folder, 'short');
const STRIPE = join(folder, 'stripe');

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
  writeFileSync(SHORT, 'fifteen charact\n');
  writeFileSync(STRIPE, 'whsec_of_stripe_is_plain_text\n');
});

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function webhooks(...args: readonly string[]): Promise<Ended> {
  const env = { ...system.environment, PATH: process.env['PATH'] ?? '' };
  const options = { cwd: folder, env, timeout: 60_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'webhooks', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
    });
  });
}

describe('sekali webhooks', () => {
  it('creates secrets, shows only those that it drew, lists and revokes them', async () => {
    const rules = ['--signature-header', 'X-Signature', '--timestamp-header', 'X-Time', '--id-field', 'id'];
    const [drawn, issued, ruled] = await Promise.all([
      webhooks('create', '--topic', 'github', '--provider', 'github'),
      webhooks('create', '--topic', 'pay', '--provider', 'stripe', '--secret-file', STRIPE, '--json'),
      webhooks('create', '--topic', 'ci', '--provider', 'hmac', '--name', 'ci', ...rules, '--json'),
    ]);
    for (const { code } of [drawn, issued, ruled]) expect(code).toBe(0);
    const secret = /^[0-9a-f]{64}$/m.exec(drawn.stdout)?.[0] ?? '';
    expect(drawn.stdout).toContain('POST /webhooks/github');
    expect(drawn.stderr).toContain('shown once');
    expect(JSON.parse(issued.stdout)).toMatchObject({ path: '/webhooks/pay', source: 'stripe' });
    expect(issued.stdout).not.toContain('plain_text');
    const active = await activeWebhookSecrets(system.pool);
    expect(active.map(({ topic, secret: one, rules: of }) => [topic, one, of]).sort()).toEqual([
      ['ci', (JSON.parse(ruled.stdout) as { secret: string }).secret, expect.any(Object)],
      ['github', secret, null],
      ['pay', 'whsec_of_stripe_is_plain_text', null],
    ]);
    expect(active.find(({ topic }) => topic === 'ci')?.rules).toEqual({
      signature_header: 'x-signature',
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: '',
      signed: '{timestamp}.{body}',
      timestamp_header: 'x-time',
      id_field: 'id',
    });
    const id = active.find(({ topic }) => topic === 'github')?.secret_id ?? '';
    const revoked = await webhooks('revoke', id);
    expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining('revoked and erased') });
    const [listed, table] = await Promise.all([webhooks('list', '--json'), webhooks('list')]);
    expect(JSON.parse(listed.stdout)).toContainEqual(
      expect.objectContaining({ secret_id: id, revoked_at: expect.any(String) }),
    );
    expect(table.stdout).toContain(id);
    for (const one of active) expect(listed.stdout + table.stdout + revoked.stdout).not.toContain(one.secret);
  });

  it.each([
    [['create', '--topic', 'a', '--provider', 'stripe'], 2, 'issues the secret'],
    [['create', '--topic', 'a', '--provider', 'github', '--secret-file', SHORT], 2, '16 to 512'],
    [['create', '--topic', 'a', '--provider', 'github', '--prefix', 'x'], 2, 'leave out'],
    [
      ['create', '--topic', 'a', '--provider', 'hmac', '--signature-header', 'a', '--signed', 'b'],
      2,
      '{body} once',
    ],
    [['revoke', '0'.repeat(16)], 1, 'there is no secret'],
  ])('%j ends with %d and says why', async (args, code, reason) => {
    const ended = await webhooks(...args);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toContain(reason);
    expect(ended.stderr).not.toContain('    at ');
  });
});
