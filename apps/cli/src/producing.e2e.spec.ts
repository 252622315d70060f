/** `ship`, `simulate` and `audit` as processes, with a real gateway and worker. The tests need the build. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';
import { keptAudits } from '#store';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const END_MS_MAX = 60_000;

let system: TestSystem;
let folder: string;
let environment: Record<string, string>;

beforeAll(async () => {
  system = await createTestSystem();
  const [gateway] = await Promise.all([
    startApp('gateway', system.environment),
    startApp('worker', system.environment),
  ]);
  folder = mkdtempSync(join(tmpdir(), 'sekali-cli-'));
  environment = { ...system.environment, PATH: process.env['PATH'] ?? '', SEKALI_GATEWAY_URL: gateway.url };
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system.dispose();
});

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sekali(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: environment, timeout: END_MS_MAX };
    execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
    });
  });
}

async function sekaliJson(...args: string[]): Promise<Record<string, unknown>> {
  const ended = await sekali(...args, '--json');
  return { code: ended.code, ...(JSON.parse(ended.stdout) as Record<string, unknown>) };
}

describe('the commands of a producer against a running system', () => {
  it('ship a file twice and store every line once', async () => {
    const lines = Array.from({ length: 1_200 }, (_, n) =>
      n % 7 === 0 ? 'the same again' : `line ${n} é 日誌`,
    );
    writeFileSync(join(folder, 'app.log'), `${lines.join('\r\n')}\nunfinished`);
    const state = ['--state', join(folder, 'state')];
    const first = await sekaliJson('ship', 'app.log', ...state);
    expect(first).toMatchObject({ code: 0, complete: true, lines: 1_200, accepted: 1_200, duplicates: 0 });
    expect(first).toMatchObject({ files: [{ topic: 'logs.app', held_back_bytes: 10 }] });
    const second = await sekaliJson('ship', 'app.log', ...state);
    expect(second).toMatchObject({ code: 0, accepted: 1_200, duplicates: 1_200 });
    expect(await sekaliJson('audit', '--wait', '30')).toMatchObject({
      code: 0,
      verdict: 'whole',
      stored: 1_200,
    });
    const { stdout, stderr } = await sekali('ship', 'app.log', ...state);
    expect(stdout).toContain('1,200 lines shipped, 1,200 of them already known');
    expect(stdout).toContain('10 bytes after the last newline were not sent');
    expect(stdout).not.toContain('\u001b[');
    expect(stderr).toBe('');
  });

  it('ship standard input, by the times that its lines have', async () => {
    const lines = 'Nov 22 09:00:00 web sshd[42]: Accepted\nNov 22 09:00:01 web sshd[42]: Closed';
    const child = spawn(process.execPath, [MAIN, 'ship', '-', '--name', 'pipe', '--json'], {
      ...{ cwd: folder, env: environment },
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin.end(lines);
    expect(await ended).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, accepted: 2, files: [{ undated: 0 }] });
    const { rows } = await waitForRows('logs.pipe', 2);
    expect(rows).toEqual([
      { time: '11-22 09:00:00', payload: expect.objectContaining({ host: 'web', message: 'Accepted' }) },
      { time: '11-22 09:00:01', payload: expect.objectContaining({ program: 'sshd', message: 'Closed' }) },
    ]);
  });

  it.each([
    ['over HTTP', ['--via', 'http']],
    ['over NATS', ['--via', 'nats']],
  ])('simulate producers %s: stored and dropped exactly as sent', async (_name, via) => {
    const result = await sekaliJson('simulate', '--events', '2000', '--duplicates', '0.3', ...via);
    expect(result).toMatchObject({
      code: 0,
      exact: true,
      stored: 2_000,
      dropped: { total: 600 },
      conflicts: 0,
    });
  });

  it('simulate repeats that come after the duplicate window: Postgres drops them', async () => {
    const result = await sekaliJson(
      'simulate',
      '--events',
      '500',
      '--duplicates',
      '1',
      '--via',
      'nats',
      '--past-window',
    );
    expect(result).toMatchObject({ code: 0, exact: true, stored: 500, dropped: { broker: 0, store: 500 } });
  });

  it('stop a simulation at Ctrl-C, with the figures so far', async () => {
    const child = spawn(process.execPath, [MAIN, 'simulate', '--rate', '200', '--json'], {
      cwd: folder,
      env: environment,
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    const ended = new Promise((resolve) => child.once('close', resolve));
    // Once its first events are stored, it is in the middle of sending.
    const before = await stored();
    await waitFor(async () => (await stored()) > before, { timeoutMs: 30_000, describe: 'the first events' });
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ interrupted: true, exact: false, planned: 26_000 });
  });

  it('audit the system: whole at the end, and violated after a row was deleted', async () => {
    const whole = await sekali('audit', '--wait', '30');
    expect(whole.stdout).toContain('each accounted for once');
    expect(whole.code).toBe(0);
    await system.pool.query(
      `DELETE FROM sekali.duplicate WHERE seq = (SELECT max(seq) FROM sekali.duplicate)`,
    );
    const violated = await sekali('audit');
    expect(violated.stdout).toContain('acknowledged, not in the ledger');
    expect(violated.stdout).toContain('counters that do not equal the rows');
    expect(violated.code).toBe(1);
    expect((await sekali('audit', '--stream', 'NOWHERE')).code).toBe(2);
    const [newest, before] = await keptAudits(system.pool, 2);
    expect([newest?.verdict, before?.verdict]).toEqual(['violated', 'whole']);
    expect(violated.stdout).toContain(newest?.summary ?? '-');
  });
});

async function waitForRows(topic: string, count: number): Promise<{ rows: unknown[] }> {
  const select = `SELECT to_char(timestamp AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS') AS time, payload
    FROM sekali.event WHERE topic = $1 ORDER BY seq`;
  let rows: unknown[] = [];
  await waitFor(
    async () => {
      ({ rows } = await system.pool.query(select, [topic]));
      return rows.length === count;
    },
    { timeoutMs: 30_000, describe: `${count} rows of ${topic}` },
  );
  return { rows };
}

async function stored(): Promise<number> {
  const { rows } = await system.pool.query<{ stored: number }>(
    'SELECT coalesce(sum(stored), 0)::float8 AS stored FROM sekali.counter',
  );
  return rows[0]?.stored ?? 0;
}
