/**
 * A system for the log shippers of Debian, with a proxy before each broker.
 *
 * The shippers are those in the unpacked packages of the folder SEKALI_SHIPPERS, else those that are installed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { drawFreePorts, findRepositoryRoot } from '#local-cluster';
import { codeBlocks, createTestSystem, startApp, TcpProxy, waitFor, type TestSystem } from '#testing';

/** Lines that a program sends. */
export const COUNT = 10_000;
const PAGE = 'apps/gateway/README.md';

/** A shipper: its program, and how it is started with a configuration. */
export interface Shipper {
  /** Below the root of the packages, for example `usr/sbin/rsyslogd`. */
  readonly program: string;
  /** Folders of libraries, which may be missing. `<machine>` stands for the one of this machine. */
  readonly libraries: readonly string[];
  /** @param folder of its own. @param root of the packages */
  readonly args: (file: string, folder: string, root: string) => readonly string[];
  /** @param root of the packages */
  readonly environment?: (root: string) => Readonly<Record<string, string>>;
}

const ends: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The folder of libraries that is named after this machine, for example `x86_64-linux-gnu`. */
export function machineFolder(root: string): string {
  const folder = join(root, 'usr/lib');
  return readdirSync(folder).find((one) => one.endsWith('-linux-gnu')) ?? '';
}

/**
 * The configuration in the README.
 *
 * @param word by which it is found
 * @param replaced what stands there for the address of the gateway, and by what it is replaced
 */
export function pageConfiguration(word: string, replaced: readonly [from: string, to: string]): string {
  const text = readFileSync(join(findRepositoryRoot(), PAGE), 'utf8');
  const block = codeBlocks({ path: PAGE, text }).find((one) => one.text.includes(word))?.text ?? '';
  expect(block).toContain(replaced[0]);
  return block.replace(...replaced);
}

/**
 * Starts a shipper that listens for lines.
 *
 * @param configuration for a port on which it takes them
 * @returns that port
 */
export async function startShipper(
  shipper: Shipper,
  configuration: (inputPort: number) => string,
): Promise<number> {
  const [port = 0] = await drawFreePorts(1);
  const root = process.env['SEKALI_SHIPPERS'] ?? '/';
  const folder = mkdtempSync(join(tmpdir(), 'sekali-shipper-'));
  const file = join(folder, 'shipper.conf');
  writeFileSync(file, configuration(port));
  const machine = machineFolder(root);
  const libraries = shipper.libraries.map((one) => join(root, one.replace('<machine>', machine)));
  const daemon = spawn(join(root, shipper.program), shipper.args(file, folder, root), {
    stdio: 'inherit',
    env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':'), ...shipper.environment?.(root) },
  });
  const exited = once(daemon, 'exit');
  ends.push(async () => {
    daemon.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  const accepts = async (): Promise<boolean> => {
    const probe = connect(port, '127.0.0.1');
    await once(probe, 'connect');
    probe.destroy();
    return true;
  };
  await waitFor(accepts, { timeoutMs: 20_000, describe: `${shipper.program} to listen` });
  return port;
}

/** Sends lines as a program does that logs over TCP. */
export async function logLines(port: number, program: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const lines = Array.from(
    { length: COUNT },
    (_, n) => `<13>1 2026-11-28T10:00:00.123456+07:00 web-1 ${program} - - - "message" ${n}\n`,
  );
  socket.end(lines.join(''));
  await once(socket, 'close');
}

interface StoredLine {
  readonly payload: Record<string, unknown>;
  readonly timestamp: Date;
  readonly source: string;
}

/** A gateway and a worker that store what a shipper sends. */
export class ShipperTrial {
  private constructor(
    readonly system: TestSystem,
    /** Between the gateway and the brokers. */
    readonly brokers: readonly TcpProxy[],
    /** Of the gateway. */
    readonly url: string,
  ) {}

  static async start(): Promise<ShipperTrial> {
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
    return new ShipperTrial(system, brokers, url);
  }

  /** How many events of a program are stored, and how many different messages they have. */
  async stored(program: string): Promise<{ events: number; messages: number }> {
    const { rows } = await this.system.pool.query<{ events: number; messages: number }>(
      `SELECT count(*)::int AS events, count(DISTINCT payload->>'message')::int AS messages
       FROM sekali.event WHERE topic = 'syslog' AND payload->>'program' = $1`,
      [program],
    );
    return rows[0] ?? { events: 0, messages: 0 };
  }

  /** What became of a line with the number 7. */
  async seventh(): Promise<StoredLine | undefined> {
    const { rows } = await this.system.pool.query<StoredLine>(
      `SELECT payload, "timestamp", source FROM sekali.event WHERE payload->>'message' LIKE '% 7'`,
    );
    return rows[0];
  }

  /** Waits until every line of a program is stored, and checks that none is stored twice. */
  async expectAllStored(program: string, timeoutMs: number): Promise<void> {
    await waitFor(async () => (await this.stored(program)).messages === COUNT, {
      timeoutMs,
      describe: `all lines of ${program} to be stored`,
    });
    expect(await this.stored(program)).toEqual({ events: COUNT, messages: COUNT });
  }
}
