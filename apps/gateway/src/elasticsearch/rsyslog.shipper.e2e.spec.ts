/** rsyslog with the configuration of the README, through faults on both sides of the gateway. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { drawFreePorts, findRepositoryRoot } from '#local-cluster';
import {
  codeBlocks,
  createTestSystem,
  FaultProxy,
  startApp,
  TcpProxy,
  waitFor,
  type TestSystem,
} from '#testing';

const COUNT = 10_000;
/** What rsyslog sends at once, by the README. */
const BATCH = 100;
const ends: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

/** The configuration in the README, with another port of the gateway, and an input. */
function configuration(gatewayUrl: string, inputPort: number): string {
  const path = 'apps/gateway/README.md';
  const text = readFileSync(join(findRepositoryRoot(), path), 'utf8');
  const block = codeBlocks({ path, text }).find((one) => one.text.includes('omelasticsearch'))?.text ?? '';
  expect(block).toContain('serverport="8080"');
  const input = [
    'module(load="imptcp")',
    `input(type="imptcp" address="127.0.0.1" port="${inputPort}")`,
  ].join('\n');
  return `${input}\n${block.replace('serverport="8080"', `serverport="${new URL(gatewayUrl).port}"`)}`;
}

/** The program in the unpacked packages, else the one that is installed. */
function rsyslog(): { program: string; environment: Record<string, string> } {
  const folder = process.env['SEKALI_SHIPPERS'];
  if (folder === undefined) return { program: 'rsyslogd', environment: {} };
  const name = readdirSync(join(folder, 'usr/lib')).find((one) => one.endsWith('-linux-gnu')) ?? '';
  const libraries = join(folder, 'usr/lib', name);
  const environment = { LD_LIBRARY_PATH: libraries, RSYSLOG_MODDIR: join(libraries, 'rsyslog') };
  return { program: join(folder, 'usr/sbin/rsyslogd'), environment };
}

async function startRsyslog(gatewayUrl: string): Promise<number> {
  const [port = 0] = await drawFreePorts(1);
  const folder = mkdtempSync(join(tmpdir(), 'sekali-rsyslog-'));
  const file = join(folder, 'rsyslog.conf');
  writeFileSync(file, configuration(gatewayUrl, port));
  const { program, environment } = rsyslog();
  const daemon = spawn(program, ['-n', '-f', file, '-i', join(folder, 'pid')], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  const exited = once(daemon, 'exit');
  ends.push(async () => {
    daemon.kill('SIGKILL');
    await exited;
  });
  const accepts = async (): Promise<boolean> => {
    const probe = connect(port, '127.0.0.1');
    await once(probe, 'connect');
    probe.destroy();
    return true;
  };
  await waitFor(accepts, { timeoutMs: 20_000, describe: 'rsyslog to listen' });
  return port;
}

/** Sends lines as a program does that logs over TCP. */
async function log(port: number, program: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const lines = Array.from(
    { length: COUNT },
    (_, n) => `<13>1 2026-11-28T10:00:00.123456+07:00 web-1 ${program} - - - "message" ${n}\n`,
  );
  socket.end(lines.join(''));
  await once(socket, 'close');
}

/** How many events of a program are stored, and how many different messages they have. */
async function stored({ pool }: TestSystem, program: string): Promise<{ events: number; messages: number }> {
  const { rows } = await pool.query<{ events: number; messages: number }>(
    `SELECT count(*)::int AS events, count(DISTINCT payload->>'message')::int AS messages
     FROM sekali.event WHERE topic = 'syslog' AND payload->>'program' = $1`,
    [program],
  );
  return rows[0] ?? { events: 0, messages: 0 };
}

async function start(): Promise<{ system: TestSystem; brokers: TcpProxy[]; url: string }> {
  const system = await createTestSystem();
  const brokers: TcpProxy[] = [];
  for (const url of system.natsUrls) brokers.push(await TcpProxy.start(Number(new URL(url).port)));
  ends.push(async () => Promise.all(brokers.map(async (broker) => broker.stop())));
  const urls = system.natsUrls.map((url, n) => {
    const address = new URL(url);
    address.port = String(brokers[n]?.port);
    return address.href;
  });
  const settings = { SEKALI_NATS_URLS: urls.join(','), SEKALI_PUBLISH_BUDGET_MS: '1000' };
  const [{ url }] = await Promise.all([
    startApp('gateway', { ...system.environment, ...settings }),
    startApp('worker', system.environment),
  ]);
  await waitFor(async () => (await fetch(`${url}/health/ready`)).ok, {
    timeoutMs: 20_000,
    describe: 'the gateway to be ready',
  });
  return { system, brokers, url };
}

describe('rsyslog', () => {
  it('has each of 10,000 lines stored once, and loses a batch to a 503 alone', async () => {
    const { system, brokers, url } = await start();
    const proxy = await FaultProxy.start(url, { faults: ['reset', 'pass', 'lose', 'pass'], path: /_bulk/ });
    const port = await startRsyslog(proxy.url);
    await log(port, 'reset');
    const all = { events: COUNT, messages: COUNT };
    await waitFor(async () => (await stored(system, 'reset')).messages === COUNT, {
      timeoutMs: 60_000,
      describe: 'all lines to be stored',
    });
    expect(await stored(system, 'reset')).toEqual(all);
    const { rows } = await system.pool.query<{
      payload: Record<string, unknown>;
      timestamp: Date;
      source: string;
    }>(`SELECT payload, "timestamp", source FROM sekali.event WHERE payload->>'message' LIKE '% 7'`);
    expect(rows[0]).toMatchObject({
      source: 'web-1',
      timestamp: new Date('2026-11-28T03:00:00.123Z'),
      payload: { '@timestamp': '2026-11-28T10:00:00.123456+07:00', host: 'web-1', program: 'reset' },
    });

    for (const broker of brokers) broker.hang();
    const before = proxy.seen.length;
    await log(port, 'refused');
    await waitFor(() => proxy.seen.slice(before).some(({ status }) => status === 200), {
      timeoutMs: 30_000,
      describe: 'lines to be refused',
    });
    for (const broker of brokers) broker.heal();
    await waitFor(async () => (await stored(system, 'refused')).messages === COUNT, {
      timeoutMs: 120_000,
      describe: 'all lines to be stored',
    });
    expect(await stored(system, 'refused')).toEqual(all);

    // This version does not read the status. It takes the whole batch for delivered.
    proxy.faults.push('pass', { status: 503, headers: { 'content-type': 'application/json' }, body: '{}' });
    await log(port, 'lost');
    await log(port, 'after');
    await waitFor(async () => (await stored(system, 'after')).messages === COUNT, {
      timeoutMs: 60_000,
      describe: 'the lines behind them to be stored',
    });
    const { events, messages } = await stored(system, 'lost');
    expect(events).toBe(messages);
    expect(COUNT - messages).toBeGreaterThan(0);
    expect(COUNT - messages).toBeLessThanOrEqual(BATCH);
  }, 300_000);
});
