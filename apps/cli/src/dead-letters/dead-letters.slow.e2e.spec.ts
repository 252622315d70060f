/** `sekali dead-letters` as a process, against a gateway that asks for keys and a worker that gives messages up. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type DeadLetterView } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { insertApiKeys } from '#store';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const folder = mkdtempSync(join(tmpdir(), 'sekali-dead-letters-'));
const keyFile = join(folder, 'key');

let system: TestSystem;
let gateway: App;

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sekali(...args: readonly string[]): Promise<Ended> {
  return run('dead-letters', ...args);
}

function audited(): Promise<Ended> {
  return run('audit', '--wait', '20');
}

function run(...args: readonly string[]): Promise<Ended> {
  const env = {
    ...{ ...system.environment, PATH: process.env['PATH'] ?? '', NO_COLOR: '1' },
    SEKALI_GATEWAY_URL: gateway.url,
  };
  return new Promise((resolve) => {
    const options = { cwd: folder, env, timeout: 60_000 };
    execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
    });
  });
}

/** Runs the command with the key, and expects that it succeeds. */
async function done(...args: readonly string[]): Promise<string> {
  const ended = await sekali(...args, '--api-key-file', keyFile);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return ended.stdout;
}

async function listed(...args: readonly string[]): Promise<DeadLetterView[]> {
  return JSON.parse(await done('list', '--json', ...args)) as DeadLetterView[];
}

async function send(topic: string, body: string, messageId?: string): Promise<void> {
  const subject = `${system.subjectPrefix}.${topic}`;
  await jetstream(system.connection).publish(
    subject,
    body,
    messageId === undefined ? {} : { msgID: messageId },
  );
}

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const token = newApiKeyToken();
  writeFileSync(keyFile, token);
  const key = { key_id: apiKeyIdOf(token) ?? '', name: 'ops', hash: apiKeyHash(token), topics: null };
  await insertApiKeys(system.pool, [{ ...key, scopes: ['admin'] }]);
  const keyed = { ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
  [gateway] = await Promise.all([startApp('gateway', keyed), startApp('worker', system.environment)]);
  await send('orders', '{"total": 1', 'orders:o-1');
  await send('orders', '\u001b[31mred');
  await send('logs', '{"event_id": "l-1"}');
  await waitFor(async () => (await listed()).length === 3, {
    timeoutMs: 30_000,
    describe: 'three dead letters',
  });
});

describe('sekali dead-letters', () => {
  it('lists them newest first, by filter, and as many as requested', async () => {
    expect((await listed()).map(({ topic }) => topic)).toEqual(['logs', 'orders', 'orders']);
    expect(await listed('--topic', 'orders', '--limit', '1')).toHaveLength(1);
    expect(await listed('--reason', 'invalid_event')).toEqual([expect.objectContaining({ event_id: 'l-1' })]);
    expect(await listed('--until', '2026-01-01T00:00:00Z')).toEqual([]);
    expect(await done('list', '--limit', '2')).toContain('Others follow');
  });

  it('counts them by reason', async () => {
    const text = await done('list', '--group');
    expect(text).toContain('store not_json');
    expect(text).toContain('3 dead letters in 3 groups');
  });

  it('shows one with its message, and lets no control character through', async () => {
    const [logs, red] = await listed();
    expect(await done('show', logs?.id ?? '')).toContain('{"event_id": "l-1"}');
    const text = await done('show', red?.id ?? '');
    expect(text).toContain('\ufffd[31mred');
    expect(text).not.toContain('\u001b');
  });

  it.each([
    ['no key', ['list'], 2, '--api-key-file'],
    [
      'an id that names none',
      ['show', 'store.1.5', '--api-key-file', keyFile],
      1,
      'No dead letter has this id',
    ],
    ['a wrong time', ['list', '--since', 'today', '--api-key-file', keyFile], 2, 'ISO 8601'],
    ['a wrong state', ['list', '--state', 'new', '--api-key-file', keyFile], 2, '"state" is all, or some of'],
    ['no gateway', ['list', '--gateway', 'http://127.0.0.1:9'], 2, 'no gateway answers'],
    [
      'nothing that selects',
      ['replay', '--api-key-file', keyFile],
      2,
      'give an id, options that select, or --all',
    ],
    [
      'an id and a filter',
      ['replay', 'store.1.5', '--topic', 'a', '--api-key-file', keyFile],
      2,
      'give either an id',
    ],
    [
      'a file that is missing',
      ['replay', 'store.1.5', '--event', 'none', '--api-key-file', keyFile],
      2,
      'cannot read none',
    ],
    ['a drop without a reason', ['drop', 'store.1.5', '--api-key-file', keyFile], 2, 'say why with --why'],
    ['a replay of none', ['replay', 'store.1.5', '--api-key-file', keyFile], 1, 'No dead letter has this id'],
    ['no subcommand', ['bury'], 2, "unknown command 'bury'"],
  ])('answers %s with one clear line', async (_what, args, code, message) => {
    const ended = await sekali(...args);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
  });
});

describe('an incident', () => {
  const mended = { timestamp: '2026-11-22T10:00:00Z', source: 'shop', payload: { total: 1 } };

  it('is counted, mended, replayed and dropped, and the audit stays whole', async () => {
    const [logs, red, order] = await listed();
    const dry = await sekali('replay', '--topic', 'orders', '--dry-run', '--api-key-file', keyFile);
    expect(dry).toMatchObject({ code: 1, stdout: expect.stringContaining('Nothing was changed') as unknown });
    expect(dry.stderr).toContain('not_json');
    const file = join(folder, 'mended.json');
    writeFileSync(file, JSON.stringify(mended));
    const why = ['--why', 'the shop cut its messages'];
    expect(await done('replay', order?.id ?? '', '--event', file, ...why)).toContain('published again');
    await waitFor(async () => (await listed('--state', 'stored')).length === 1, {
      timeoutMs: 30_000,
      describe: 'the replay to be stored',
    });
    expect(await done('replay', order?.id ?? '')).toContain('stored before');
    const { rows } = await system.pool.query(`SELECT event_id, payload FROM sekali.event`);
    expect(rows).toEqual([{ event_id: 'o-1', payload: { total: 1 } }]);
    expect(await done('drop', '--fingerprint', red?.fingerprint ?? '', '--why', 'a test')).toContain(
      'dropped',
    );
    expect(await done('show', order?.id ?? '')).toMatch(
      /replayed with another body by ops.*stored: the shop cut/,
    );
    expect((await listed()).map(({ id }) => id)).toEqual([logs?.id]);
    const audit = await audited();
    expect(audit).toMatchObject({ code: 0 });
    expect(audit.stdout).toContain('whole');
  });
});
