/**
 * A whole system on a small disk refuses events in time when it is full. What a full disk broke is repaired once there
 * is room.
 *
 * It needs a separate disk, which only root on Linux can create in memory (tmpfs).
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { drawFreePorts, findRepositoryRoot } from '#local-cluster';
import { SmallDisk } from '#testing';
import { poll } from '#waiting';
import type { ReadyReport } from './reporter.js';

const DISK_MB = 520;
const DEADLINE_MS = 120_000;
const PAYLOAD = { x: 'x'.repeat(25_000) };

let disk: SmallDisk;
let up: ChildProcess | undefined;
let output: string;

async function start(): Promise<ReadyReport> {
  const [port, natsPort, postgresPort] = (await drawFreePorts(3)).map(String) as [string, string, string];
  const program = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
  const ports = ['--port', port, '--nats-port', natsPort, '--postgres-port', postgresPort];
  up = spawn(
    process.execPath,
    [program, 'up', '--data', join(disk.path, 'data'), '--workers', '1', ...ports],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        npm_lifecycle_event: undefined,
        SEKALI_PUBLISH_BUDGET_MS: '6000',
      },
    },
  );
  for (const stream of [up.stdout, up.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const line = await poll(
    () => /^ready (.*)$/m.exec(output)?.[1] ?? (up?.exitCode === null ? undefined : ''),
    { timeoutMs: DEADLINE_MS },
  );
  if (!line) throw new Error(`not ready:\n${output}`);
  return JSON.parse(line) as ReadyReport;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly accepted: readonly string[];
}

/** Publishes 20 events of 25 KB, or others. */
async function publish(
  gateway: string,
  round: number | string,
  count = 20,
  payload: object = PAYLOAD,
): Promise<Answer> {
  const events = Array.from({ length: count }, (_, n) => ({
    topic: 'disk',
    event_id: `${round}-${n}`,
    timestamp: '2026-11-22T10:00:00Z',
    source: 's',
    payload,
  }));
  const answer = await fetch(`${gateway}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  const text = await answer.text();
  const { results = [] } = JSON.parse(text) as { results?: { event_id: string; status: string }[] };
  const accepted = results.flatMap(({ event_id, status }) => (status === 'accepted' ? [event_id] : []));
  return { status: answer.status, text, accepted };
}

/** Publishes until something is refused. @returns the ids of all accepted events, and the refusal */
async function fill(gateway: string): Promise<{ accepted: string[]; refusal: Answer }> {
  const accepted: string[] = [];
  for (let round = 0; ; round++) {
    const answer = await publish(gateway, round);
    accepted.push(...answer.accepted);
    if (answer.status !== 202) return { accepted, refusal: answer };
  }
}

async function get<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

if (SmallDisk.canMount()) {
  describe('a system on a small disk', () => {
    beforeEach(() => {
      output = '';
      disk = SmallDisk.mount(DISK_MB);
    });

    afterEach(async () => {
      const ended = new Promise((resolve) => up?.once('close', resolve) ?? resolve(undefined));
      if (up?.exitCode === null) {
        up.kill('SIGINT');
        await ended;
      }
      up = undefined;
      disk.unmount();
    });

    it('refuses in time, keeps what it accepted, and comes back by itself after the disk was full', async () => {
      const { gateway, pids } = await start();
      expect(output).toMatch(/The stream may hold \d+ MB instead of [\d,]+ MB/);
      const worker = pids['worker-1'] ?? 0;
      process.kill(worker, 'SIGSTOP');
      const { accepted, refusal } = await fill(gateway);
      expect(refusal.status).toBe(503);
      expect(refusal.text).toContain('the stream is full');
      const summary = await get<{ status: string; components: { stream: object } }>(`${gateway}/health`);
      expect(summary).toMatchObject({
        status: 'degraded',
        components: { stream: { status: 'degraded', detail: expect.stringContaining('full') } },
      });
      process.kill(worker, 'SIGCONT');
      const stored = await poll(
        async () => {
          const stats = await get<{ unique_processed: number; in_flight: number }>(`${gateway}/stats`);
          return stats.in_flight === 0 ? stats.unique_processed : undefined;
        },
        { timeoutMs: DEADLINE_MS },
      );
      expect(stored).toBe(accepted.length);

      // Something else takes all the remaining room. The stream still has room for small events.
      let taken = '';
      const broken = await poll(
        async () => {
          // Meanwhile Postgres frees some room.
          taken = disk.fill();
          await publish(gateway, `full-${Math.random()}`, 1, {}).catch(() => undefined);
          return (
            /nats-\d (has switched JetStream off|has a stream that failed)[^\n]*: make room/.test(output) ||
            undefined
          );
        },
        { timeoutMs: DEADLINE_MS },
      );
      if (!broken) throw new Error(`no broker was found to be of no use:\n${output}`);
      rmSync(taken);
      const isReady = await poll(
        async () => {
          const answer = await publish(gateway, `after-${Math.random()}`, 1, {}).catch(() => undefined);
          const ready = await fetch(`${gateway}/health/ready`).catch(() => undefined);
          return (answer?.status === 202 && ready?.status === 200) || undefined;
        },
        { timeoutMs: DEADLINE_MS },
      );
      const health = await (await fetch(`${gateway}/health`)).text();
      if (!isReady) throw new Error(`not ready again: ${health}\n${output}`);
    }, 480_000);
  });
} else {
  it('cannot try a full disk here: only root on Linux may mount one; the run of CI does', () => {
    expect(process.getuid?.() === 0 && process.platform === 'linux').toBe(false);
  });
}
