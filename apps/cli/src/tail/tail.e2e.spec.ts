/** `sekali tail` and `sekali events` as processes: what a person reads, what a machine does, and a gateway that dies. */
import { spawn, execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, waitFor } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const TEST_MS_MAX = 120_000;
const DEADLINE = { timeoutMs: 30_000, describe: 'the events' };

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
}

it(
  'follow and list events, with every digit, and miss none while the gateway is started again',
  async () => {
    const system = await createTestSystem();
    const worker = await startApp('worker', system.environment);
    let gateway = await startApp('gateway', system.environment);
    const env = { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', SEKALI_GATEWAY_URL: gateway.url };
    const list = (...args: readonly string[]): Promise<Ended> =>
      new Promise((resolve) => {
        execFile(process.execPath, [MAIN, 'events', ...args], { env }, (error, stdout) => {
          resolve({ code: error ? (error.code ?? null) : 0, stdout });
        });
      });
    const publish = async (from: number, to: number): Promise<void> => {
      const events = Array.from({ length: to - from + 1 }, (_, n) => from + n).map(
        (n) =>
          `{"topic":"logs.web","event_id":"e-${n}","timestamp":"2026-11-22T10:00:00Z","source":"s","payload":{"n":${n}.10,"even":${n % 2 === 0}}}`,
      );
      const headers = { 'content-type': 'application/json' };
      const body = `[${events.join(',')}]`;
      const isTaken = async (): Promise<boolean> =>
        (await fetch(`${gateway.url}/publish`, { method: 'POST', headers, body })).status === 202;
      await waitFor(isTaken, { timeoutMs: 30_000, describe: 'the gateway to publish' });
    };
    await publish(1, 5);
    const tail = spawn(process.execPath, [MAIN, 'tail', '--topic', 'logs.*', '--json'], { env });
    let shown = '';
    let noted = '';
    tail.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    tail.stderr.on('data', (chunk: Buffer) => (noted += chunk.toString()));
    const seen = (): string[] => shown.split('\n').filter((line) => line !== '');
    const idsOf = (lines: readonly string[]): string[] =>
      lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id);
    let next = 6;
    // What was published before it follows is not shown, so it is published until something is.
    await waitFor(async () => {
      if (seen().length > 0) return true;
      await publish(next, next);
      next += 1;
      return false;
    }, DEADLINE);
    await publish(next, next + 9);
    await waitFor(() => seen().some((line) => line.includes(`"e-${next + 9}"`)), DEADLINE);
    const port = new URL(gateway.url).port;
    await gateway.stop();
    gateway = await startApp('gateway', { ...system.environment, SEKALI_HTTP_PORT: port });
    await publish(next + 10, next + 19);
    await waitFor(() => seen().some((line) => line.includes(`"e-${next + 19}"`)), DEADLINE);
    const ids = idsOf(seen());
    const first = Number(ids[0]?.slice(2));
    const expected = Array.from({ length: next + 20 - first }, (_, n) => `e-${first + n}`);
    expect([...ids].sort()).toEqual([...expected].sort());
    expect(seen().at(-1)).toMatch(/"payload":\{"n": \d+\.10, /);
    expect(noted).toContain('trying again');
    tail.kill('SIGINT');
    await waitFor(() => tail.exitCode !== null, DEADLINE);
    expect(tail.exitCode).toBe(0);
    const newest = await list('--newest', '--limit', '2', '--where', 'payload.even:true');
    expect(newest.code).toBe(0);
    const lines = newest.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^2026-11-22T10:00:00\.000Z logs\.web e-\d+ \{"n": \d+\.10, "even": true\}$/);
    expect(idsOf((await list('--json', '--limit', '3')).stdout.trimEnd().split('\n'))).toEqual([
      'e-1',
      'e-2',
      'e-3',
    ]);
    expect((await list('--where', 'nonsense')).code).toBe(2);
    await worker.stop();
  },
  TEST_MS_MAX,
);
