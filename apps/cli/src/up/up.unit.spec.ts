import { describe, expect, it } from '@jest/globals';
import { lastWords, readReadyMessage } from './application.js';
import { findClash, metricsPort, requestedPorts } from './plan.js';
import { createReporter, type Reporter } from './reporter.js';
import { type Component, nextDelayMs, Supervisor } from './supervisor.js';

const options = {
  ephemeral: false,
  port: 8080,
  natsPort: 4222,
  postgresPort: 5442,
  data: '.sekali',
  nodes: 3,
  workers: 2,
  gateways: 1,
  json: false,
};

describe('the wait before a restart', () => {
  it('doubles from 250 ms to 10 s and starts afresh after 30 s of life', () => {
    const waits: number[] = [];
    for (let last: number | undefined, n = 0; n < 8; n += 1) waits.push((last = nextDelayMs(last, 100)));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    expect(nextDelayMs(10_000, 30_000)).toBe(250);
  });
});

describe('the port of metrics', () => {
  it('is another one for each program, unless each chooses a free one or there are no metrics', () => {
    const ports = (first: string | undefined): unknown[] =>
      [0, 1, 2].map((index) => metricsPort(first, index));
    expect(ports('9464')).toEqual(['9464', '9465', '9466']);
    expect(ports('0')).toEqual(['0', '0', '0']);
    expect(ports(undefined)).toEqual([undefined, undefined, undefined]);
  });
});

describe('a process that was started again', () => {
  it('is reported when it is ready, after any time', async () => {
    let exited: (exit: { code: number; signal: null }) => void = () => undefined;
    const said: string[] = [];
    const reporter = {
      exited: (name: string) => said.push(`${name} exited`),
      notice: (text: string) => said.push(text),
      restarted: (name: string, pid: number) => said.push(`${name} restarted as ${pid}`),
    } as unknown as Reporter;
    const process = {
      pid: 1 as number | undefined,
      onExit: (listener: typeof exited) => {
        exited = listener;
        return () => undefined;
      },
    };
    let tries = 0;
    const component = {
      name: 'nats-1',
      process,
      spawn: () => Promise.resolve((process.pid = 2)),
      untilReady: () =>
        ++tries < 2 ? Promise.reject(new Error('not healthy after 30 s')) : Promise.resolve(),
    } as unknown as Component;
    const supervisor = new Supervisor(reporter);
    supervisor.watch(component);
    process.pid = undefined;
    exited({ code: 1, signal: null });
    while (said.length < 3) await new Promise((resolve) => setImmediate(resolve));
    supervisor.close();
    expect(said).toEqual(['nats-1 exited', 'not healthy after 30 s', 'nats-1 restarted as 2']);
  });
});

describe('the ports of a system', () => {
  it('follow each other, and belong to the option that moves them', () => {
    expect(
      requestedPorts({ ...options, gateways: 2 }).map(({ port, option }) => `${port} ${option}`),
    ).toEqual([
      '8080 --port',
      '8081 --port',
      '4222 --nats-port',
      '4223 --nats-port',
      '4224 --nats-port',
      '5442 --postgres-port',
    ]);
  });

  it('are refused when two parts ask for the same one, or when it does not exist', () => {
    expect(findClash(requestedPorts(options))).toBeUndefined();
    expect(findClash(requestedPorts({ ...options, postgresPort: 4224 }))).toBe(
      'Port 4224 is asked for by both nats-3 and Postgres: change --nats-port or --postgres-port.',
    );
    expect(findClash(requestedPorts({ ...options, natsPort: 65_534 }))).toBe(
      'Port 65536 for nats-3 does not exist: choose a lower one with --nats-port.',
    );
  });
});

describe('the message of a program of ours', () => {
  it('means ready only in the agreed form', () => {
    expect(readReadyMessage({ type: 'ready', url: 'http://x' })).toEqual({ url: 'http://x' });
    expect(readReadyMessage({ type: 'ready' })).toEqual({});
    for (const other of [null, 'ready', {}, { type: 'other' }])
      expect(readReadyMessage(other)).toBeUndefined();
  });

  it('is quoted by its last error', () => {
    expect(lastWords(['{"level":50,"msg":"cannot start","err":{"message":"no schema"}}', 'bye'])).toBe('bye');
    expect(lastWords(['{"level":"error","msg":"cannot start","err":{"message":"no schema"}}', 'bye'])).toBe(
      'cannot start: no schema',
    );
    expect(lastWords(['Error: broken', '    at error (file.js:1)', 'Node.js v20'])).toBe('Error: broken');
    expect(lastWords([])).toBe('it wrote nothing');
  });
});

describe('the report of sekali up', () => {
  const report = {
    gateway: 'http://g',
    nats: ['nats://n'],
    postgres: 'postgres://p',
    data: '/d',
    pids: { 'nats-1': 1 },
  };

  function record(json: boolean, isTTY: boolean): string {
    let written = '';
    const reporter = createReporter({ write: (text) => (written += text), isTTY }, json);
    reporter.progress('brokers', '1 of 3 healthy');
    reporter.done('brokers', '3 nodes');
    reporter.ready(report, '/d/logs');
    reporter.exited('worker-1', { code: null, signal: 'SIGKILL' }, 250);
    reporter.restarted('worker-1', 7);
    reporter.close();
    return written;
  }

  it('is plain lines without a terminal, one of them "ready {json}"', () => {
    const lines = record(false, false).split('\n');
    expect(lines.filter((line) => line.startsWith('ready '))).toEqual([`ready ${JSON.stringify(report)}`]);
    expect(lines).toContain('restarted {"name":"worker-1","pid":7}');
    expect(lines).toContain('worker-1 was ended by SIGKILL; starting it again in 250 ms');
    // eslint-disable-next-line no-control-regex -- colours and cursor movements are what must not be there
    expect(lines.join('')).not.toMatch(/[\u001b\r]/);
  });

  it('moves on a terminal', () => {
    expect(record(false, true)).toContain('brokers: 1 of 3 healthy');
    expect(record(false, true)).toContain(`\nready ${JSON.stringify(report)}\n`);
  });

  it('is only JSON for a machine', () => {
    const events = record(true, true)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    expect(events.map(({ event }) => event)).toEqual(['progress', 'done', 'ready', 'exited', 'restarted']);
    expect(events[2]).toEqual({ event: 'ready', ...report, logs: '/d/logs' });
  });
});
