/**
 * `sekali up` as a process, with small stand-ins for our own programs. The tests need the build, which `npm test`
 * provides.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { drawFreePorts, findRepositoryRoot } from '#local-cluster';
import { poll } from '#waiting';
import type { ReadyReport } from './reporter.js';

const DEADLINE_MS = 40_000;
const STANDINS = {
  setup: `if (process.env.TEST_SETUP_FAILS) { console.error('Error: no schema'); process.exit(3); } process.disconnect();`,
  gateway: `import { createServer } from 'node:http';
    const port = Number(process.env.SEKALI_HTTP_PORT);
    let asked = 0;
    const server = createServer(({ url }, response) => {
      if (url === '/health/ready') response.statusCode = ++asked < 4 ? 503 : 200;
      response.end(String(asked));
    });
    server.listen(port, '127.0.0.1', () => process.send({ type: 'ready', url: 'http://127.0.0.1:' + port }));
    for (const end of ['SIGTERM', 'disconnect']) process.on(end, () => process.exit(0));`,
  worker: `process.send({ type: 'ready' });
    setInterval(() => {}, 1000);
    process.on('SIGTERM', () => { if (!process.env.TEST_WORKER_IS_DEAF) process.exit(0); });
    process.on('disconnect', () => process.exit(0));`,
};

let folder: string;
let ups: Up[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-test-up-'));
  for (const [name, text] of Object.entries(STANDINS)) writeFileSync(join(folder, `${name}.mjs`), text);
  const at = (name: string) => JSON.stringify(join(folder, `${name}.mjs`));
  const built = (file: string) =>
    JSON.stringify(pathToFileURL(join(findRepositoryRoot(), 'dist/apps/cli/src/up', file)).href);
  writeFileSync(
    join(folder, 'up.mjs'),
    `import { Command } from 'commander';
     import { registerUp } from ${built('command.js')};
     const program = new Command('sekali');
     registerUp(program, { scripts: { setup: ${at('setup')}, gateway: ${at('gateway')}, worker: ${at('worker')} } });
     await program.parseAsync();`.replace("'commander'", JSON.stringify(import.meta.resolve('commander'))),
  );
  ups = [];
});
afterEach(() => {
  for (const up of ups) up.destroy();
  rmSync(folder, { recursive: true, force: true });
});

/** One `sekali up` with what it printed so far. */
class Up {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  out = '';
  err = '';

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv, via: 'itself' | 'shell') {
    const command = [process.execPath, join(folder, 'up.mjs'), 'up', ...args];
    // The second command prevents the shell from replacing itself by the first one.
    const [program = '', ...rest] =
      via === 'shell' ? ['sh', '-c', '"$@"; exit $?', 'sh', ...command] : command;
    this.child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', npm_lifecycle_event: undefined, ...environment },
    });
    this.child.stdout?.on('data', (chunk) => (this.out += String(chunk)));
    this.child.stderr?.on('data', (chunk) => (this.err += String(chunk)));
    this.exit = new Promise((resolve) => this.child.once('close', (code) => resolve(code)));
  }

  async ready(): Promise<ReadyReport> {
    const line = await this.line(/^ready (.*)$/m);
    return JSON.parse(line) as ReadyReport;
  }

  /** Waits for a line and returns its first group. */
  async line(pattern: RegExp): Promise<string> {
    const found = await poll(
      () => pattern.exec(this.out)?.[1] ?? (this.child.exitCode === null ? undefined : ''),
      {
        timeoutMs: DEADLINE_MS,
      },
    );
    if (!found) throw new Error(`no line ${String(pattern)} in:\n${this.out}\n${this.err}`);
    return found;
  }

  get pids(): number[] {
    const ready = /^ready (.*)$/m.exec(this.out)?.[1];
    const restarted = [...this.out.matchAll(/^restarted (.*)$/gm)].map(
      (match) => (JSON.parse(match[1] ?? '') as { pid: number }).pid,
    );
    return [
      ...(ready === undefined ? [] : Object.values((JSON.parse(ready) as ReadyReport).pids)),
      ...restarted,
    ];
  }

  destroy(): void {
    for (const pid of [this.child.pid, ...this.pids])
      if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

function up(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  via: 'itself' | 'shell' = 'itself',
): Up {
  const started = new Up(args, environment, via);
  ups.push(started);
  return started;
}

async function smallSystem(data: string): Promise<string[]> {
  const [port, natsPort, postgresPort] = (await drawFreePorts(3)).map(String) as [string, string, string];
  const ports = ['--port', port, '--nats-port', natsPort, '--postgres-port', postgresPort];
  return [...ports, '--nodes', '1', '--workers', '1', '--data', data];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  await poll(() => !pids.some(isAlive) || undefined, { timeoutMs: DEADLINE_MS });
  expect(pids.filter(isAlive)).toEqual([]);
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

describe('sekali up', () => {
  it('runs two ephemeral systems side by side, restarts what dies, and leaves neither process nor file', async () => {
    const [one, two] = [
      up(['--ephemeral', '--gateways', '2']),
      up(['--ephemeral', '--nodes', '1', '--json']),
    ];
    const ready = await one.ready();
    expect(Object.keys(ready.pids)).toEqual([
      'nats-1',
      'nats-2',
      'nats-3',
      'postgres',
      'gateway-1',
      'gateway-2',
      'worker-1',
      'worker-2',
    ]);
    expect(ready.gateways).toHaveLength(2);
    // Its gateway had said three times that it does not reach brokers or database.
    expect(await (await fetch(ready.gateway)).text()).toBe('4');
    await two.line(/("event":"ready")/);
    const events = two.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string } & ReadyReport);
    const other = events.at(-1) as ReadyReport;
    expect(new Set([...ready.nats, ...other.nats]).size).toBe(4);

    for (const name of ['worker-1', 'nats-2', 'postgres'])
      process.kill(ready.pids[name] as number, 'SIGKILL');
    for (const name of ['worker-1', 'nats-2', 'postgres']) {
      await one.line(new RegExp(`^(${name} was ended by SIGKILL; starting it again in 250 ms)$`, 'm'));
      const { pid } = JSON.parse(await one.line(new RegExp(`^restarted (.*"${name}".*)$`, 'm'))) as {
        pid: number;
      };
      expect(isAlive(pid)).toBe(true);
    }
    expect(await query(ready.postgres, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);

    const stoppedAt = performance.now();
    const pids = [...one.pids, ...Object.values(other.pids)];
    for (const each of [one, two]) each.child.kill('SIGTERM');
    expect(await Promise.all([one.exit, two.exit])).toEqual([0, 0]);
    expect(performance.now() - stoppedAt).toBeLessThan(15_000);
    await untilGone(pids);
    expect([ready.data, other.data].filter((path) => existsSync(path))).toEqual([]);
    expect([one.err, two.err]).toEqual(['', '']);
  });

  it('keeps its data, and guards it against a second system and against processes that a killed one left', async () => {
    const data = join(folder, 'data');
    const args = await smallSystem(data);
    const first = up(args);
    const ready = await first.ready();
    await query(ready.postgres, 'CREATE TABLE kept AS SELECT 1 AS id');

    const second = up(args);
    expect(await second.exit).toBe(1);
    expect(second.err).toBe(
      `sekali: Another "sekali up" (pid ${first.child.pid}) uses ${data}: stop it, or choose another directory with --data.\n`,
    );

    first.child.kill('SIGKILL');
    await untilGone([ready.pids['gateway-1'], ready.pids['worker-1']] as number[]);
    const third = up(args);
    expect(await third.exit).toBe(1);
    const left = [ready.pids['nats-1'], ready.pids['postgres']] as number[];
    expect(third.err).toMatch(
      /^sekali: An earlier "sekali up" was killed and left nats-1 \(pid \d+\), postgres \(pid \d+\) running: /,
    );
    expect(third.err).toContain(`"kill ${left.join(' ')}"`);
    expect(third.err.split('\n')).toHaveLength(2);
    for (const pid of left) process.kill(pid, 'SIGTERM');
    await untilGone(left);

    const fourth = up(args);
    const again = await fourth.ready();
    expect(fourth.out).toContain(`Took over the lock of an earlier "sekali up" (pid ${first.child.pid})`);
    expect(await query(again.postgres, 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
    // As under npm: one Ctrl-C arrives twice, and is still an orderly stop.
    fourth.child.kill('SIGINT');
    fourth.child.kill('SIGINT');
    expect(await fourth.exit).toBe(0);
    expect(fourth.out).toContain('Stopped.');
    await untilGone(fourth.pids);

    const otherCount = up([...args, '--nodes', '3']);
    expect(await otherCount.exit).toBe(1);
    expect(otherCount.err).toContain('was made with 1 brokers, not 3: give --nodes 1');
    expect(readdirSync(data)).not.toContain('lock.json');
  });

  it('kills everything at once on a second Ctrl-C', async () => {
    const one = up(['--ephemeral', '--nodes', '1'], { TEST_WORKER_IS_DEAF: '1' });
    const ready = await one.ready();
    one.child.kill('SIGINT');
    await one.line(/(Stopping)/);
    const insistedAt = performance.now();
    // They are close together, so that one comes while the process is ending. It must not change the exit code.
    const insist = setInterval(() => one.child.kill('SIGINT'), 2);
    const code = await one.exit;
    clearInterval(insist);
    expect(code).toBe(130);
    expect(performance.now() - insistedAt).toBeLessThan(4_000);
    await untilGone(one.pids);
    expect(existsSync(ready.data)).toBe(false);
  });

  it('stops in order when npm, on a signal, ends only the shell between them', async () => {
    const one = up(['--ephemeral', '--nodes', '1'], { npm_lifecycle_event: 'start' }, 'shell');
    const ready = await one.ready();
    one.child.kill('SIGTERM');
    await one.line(/^(Stopped\.)$/m);
    await untilGone(one.pids);
    expect(existsSync(ready.data)).toBe(false);
  });

  it('says in one line why it could not start, and stops what had started', async () => {
    const one = up(['--ephemeral', '--nodes', '1', '--json'], { TEST_SETUP_FAILS: '1' });
    expect(await one.exit).toBe(1);
    expect(one.err).toMatch(/^sekali: setup ended with code 3: Error: no schema \(log: .*setup\.log\)\n$/);
    const done = one.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; step: string });
    expect(
      done
        .filter(({ event }) => event === 'done')
        .map(({ step }) => step)
        .sort(),
    ).toEqual(['brokers', 'postgres']);
    expect(existsSync(/log: (.*)\/logs\/setup\.log/.exec(one.err)?.[1] ?? '')).toBe(false);
  });

  it('names a busy port and its option before it starts anything', async () => {
    const data = join(folder, 'data');
    const args = await smallSystem(data);
    const busy = createServer().listen(Number(args[3]), '127.0.0.1');
    const one = up(args);
    expect(await one.exit).toBe(1);
    busy.close();
    expect(one.err).toBe(
      `sekali: Port ${args[3]} for nats-1 is in use: choose another with --nats-port, or take free ones with --ephemeral.\n`,
    );
    expect(readFileSync(join(data, 'layout.json'), 'utf8')).toContain('"nodes": 1');
    expect(readdirSync(join(data, 'logs'))).toEqual([]);
  });

  it.each([
    [['--nodes', '2'], "error: option '--nodes <count>' argument '2' is invalid. It must be 1, 3 or 5."],
    [
      ['--port', 'http'],
      "error: option '--port <port>' argument 'http' is invalid. It must be a whole number from 1 to 65535.",
    ],
    [['--sync-interval', 'often'], 'It must be "always" or a duration such as 500ms, 1s or 2m.'],
    [
      ['--ephemeral', '--data', 'x'],
      "error: option '--ephemeral' cannot be used with option '--data <directory>'",
    ],
    [['--docker'], "error: unknown option '--docker'"],
  ])('refuses %j', async (args, message) => {
    const one = up(args);
    expect(await one.exit).toBe(1);
    expect(one.err).toContain(message);
    expect(one.out).toBe('');
  });
});
