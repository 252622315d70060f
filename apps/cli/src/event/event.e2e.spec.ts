/** `sekali event` as a process: what a person reads, and what a machine does. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, waitFor } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const TEST_MS_MAX = 60_000;

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

it(
  'tells what happened to an event, with every digit of a conflict, and in pages that it joins',
  async () => {
    const system = await createTestSystem();
    const [gateway] = await Promise.all([
      startApp('gateway', system.environment),
      startApp('worker', system.environment),
    ]);
    const sekali = (...args: readonly string[]): Promise<Ended> =>
      new Promise((resolve) => {
        const env = { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', SEKALI_GATEWAY_URL: gateway.url };
        execFile(process.execPath, [MAIN, 'event', ...args], { env }, (error, stdout, stderr) => {
          resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
        });
      });
    const publish = async (amount: string): Promise<number> => {
      const body = `{"topic":"orders","event_id":"o-1","timestamp":"2026-11-22T10:00:00Z","source":"shop","payload":{"n":${amount}}}`;
      const headers = { 'content-type': 'application/json' };
      return (await fetch(`${gateway.url}/publish`, { method: 'POST', headers, body })).status;
    };
    await waitFor(async () => (await publish('12345678901234567890')) === 202, {
      timeoutMs: 20_000,
      describe: 'the gateway to publish',
    });
    await publish('12345678901234567891');
    const shown = await waitFor(
      async () => {
        const ended = await sekali('orders', 'o-1');
        return ended.stdout.includes('conflict') && ended;
      },
      { timeoutMs: 20_000, describe: 'the conflict to be stored' },
    );
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(
      /^orders o-1: stored\n\n.*published as sequence 1 by a gateway \(publish\)\n/,
    );
    expect(shown.stdout).toContain('    /n: 12345678901234567890 → 12345678901234567891\n');
    const inPages = await sekali('orders', 'o-1', '--json', '--limit', '2');
    expect(inPages.stdout).toContain('"is_more":true');
    const whole = await sekali('orders', 'o-1', '--json');
    expect(whole.stdout).toContain('"stored":12345678901234567890,"sent":12345678901234567891');
    expect(whole.stdout).toContain('"is_more":false');
    expect(await sekali('orders', 'none')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Nothing is known'),
    });
  },
  TEST_MS_MAX,
);
