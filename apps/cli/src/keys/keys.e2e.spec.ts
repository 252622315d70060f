/** `sekali keys` as a process, and the other commands with a key, against a gateway that asks for one. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { apiKeyHash } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { activeApiKeys } from '#store';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const folder = mkdtempSync(join(tmpdir(), 'sekali-keys-'));

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sekali(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = { ...system.environment, PATH: process.env['PATH'] ?? '', ...more };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...args],
      { cwd: folder, env, timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
      },
    );
  });
}

interface MadeKey {
  readonly key_id: string;
  readonly token: string;
  readonly scopes: string[];
  readonly topics: string[] | null;
  readonly defaults?: unknown;
}

async function create(...args: string[]): Promise<MadeKey> {
  const ended = await sekali(['keys', 'create', ...args, '--json']);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(ended.stdout) as MadeKey;
}

describe('sekali keys', () => {
  it('creates a key, shows its token once, lists it and revokes it', async () => {
    const made = await create('--name', 'one', '--scopes', 'publish,read', '--topics', 'a.b, c.>');
    expect(made).toMatchObject({ name: 'one', scopes: ['publish', 'read'], topics: ['a.b', 'c.>'] });
    expect(await activeApiKeys(system.pool)).toMatchObject([
      { key_id: made.key_id, hash: apiKeyHash(made.token) },
    ]);
    const fields = ['--source', 'web', '--id-field', 'id', '--time-field', '@timestamp'];
    const shipper = await create(
      '--name',
      'shipper',
      '--scopes',
      'publish',
      '--topic',
      'logs.web',
      ...fields,
    );
    expect(shipper).toMatchObject({
      defaults: { topic: 'logs.web', source: 'web', id_field: 'id', time_field: '@timestamp' },
    });
    await sekali(['keys', 'revoke', shipper.key_id]);
    const forPeople = await sekali(['keys', 'create', '--name', 'two', '--scopes', 'admin']);
    const token = /^sekali_[0-9a-f]{16}_[\w-]{43}$/m.exec(forPeople.stdout)?.[0] ?? '';
    expect(forPeople.stderr).toContain('shown once');
    expect(await activeApiKeys(system.pool)).toHaveLength(2);
    const revoked = await sekali(['keys', 'revoke', made.key_id]);
    expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining('is revoked') });
    expect((await sekali(['keys', 'revoke', made.key_id, '--json'])).code).toBe(0);
    const [listed, table] = [await sekali(['keys', 'list', '--json']), await sekali(['keys', 'list'])];
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { key_id: made.key_id, revoked_at: expect.any(String) },
      { name: 'shipper', defaults: shipper.defaults },
      { name: 'two', topics: null, revoked_at: null },
    ]);
    expect(table.stdout).toContain('a.b, c.>');
    for (const secret of [made.token, token, apiKeyHash(made.token), apiKeyHash(token)]) {
      expect(listed.stdout + table.stdout + revoked.stdout).not.toContain(secret);
    }
  });

  it.each([
    [['create', '--name', 'a'], 2],
    [['create', '--name', 'a', '--scopes', 'write'], 2],
    [['create', '--name', 'a', '--scopes', ''], 2],
    [['create', '--name', 'a', '--scopes', 'read', '--topics', '>'], 2],
    [['create', '--name', '', '--scopes', 'read'], 2],
    [['create', '--name', 'a', '--scopes', 'publish', '--id-field', 'id'], 2],
    [['create', '--name', 'a', '--scopes', 'publish', '--topics', 'b', '--topic', 'a'], 2],
    [['create', '--name', 'a', '--scopes', 'publish', '--topic', 'a b'], 2],
    [['revoke', 'nonsense'], 2],
    [['revoke', '0'.repeat(16)], 1],
    [['list', '--postgres', 'postgres://sekali@127.0.0.1:1/none'], 2],
    [[], 2],
  ])('%j ends with %d and the reason', async (args, code) => {
    const ended = await sekali(['keys', ...args]);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).not.toBe('');
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });
});

describe('commands against a gateway that asks for keys', () => {
  it('work with a key from a file or the environment, and say what is missing without one', async () => {
    const [all, publisher] = [
      await create('--name', 'all', '--scopes', 'publish,read'),
      await create('--name', 'publisher', '--scopes', 'publish'),
    ];
    const gateway = await startApp('gateway', {
      ...system.environment,
      SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true',
    });
    await startApp('worker', system.environment);
    const file = join(folder, 'key');
    writeFileSync(file, `${all.token}\n`);
    writeFileSync(join(folder, 'app.log'), 'one\ntwo\n');
    const at = ['--gateway', gateway.url];
    const simulate = ['simulate', ...at, '--events', '200', '--json'];
    await waitFor(async () => (await fetch(`${gateway.url}/health/ready`)).status === 200, {
      timeoutMs: 20_000,
      describe: 'the gateway to be ready',
    });
    expect(await sekali([...simulate, '--api-key-file', file])).toMatchObject({ code: 0 });
    const shipped = await sekali(['ship', 'app.log', ...at, '--state', folder], {
      SEKALI_API_KEY: publisher.token,
    });
    expect(shipped).toMatchObject({ code: 0 });
    const without: [string[], Record<string, string>, number, string][] = [
      [simulate, {}, 2, '401'],
      [simulate, { SEKALI_API_KEY: publisher.token }, 2, 'scope read'],
      [['ship', 'app.log', ...at, '--no-resume'], {}, 2, '401'],
      [simulate, { SEKALI_API_KEY_FILE: join(folder, 'none') }, 2, 'cannot be read'],
    ];
    for (const [args, environment, code, message] of without) {
      const ended = await sekali(args, environment);
      expect([ended.code, ended.stderr]).toEqual([code, expect.stringContaining(message)]);
      expect(ended.stderr).not.toContain(publisher.token);
    }
    expect((await sekali(simulate)).stderr).toContain('--api-key-file');
  });
});
