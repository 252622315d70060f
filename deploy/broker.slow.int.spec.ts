/**
 * The start of a broker in its container. Its bound follows the disk, and it ends when it is useless. It gets back what
 * a full disk made it forget.
 *
 * The script runs unchanged, with the nats-server of the tests, on a disk that only root on Linux can create (tmpfs).
 * Its image has `nc`; a machine may not, so the test brings one.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drawFreePorts, findNatsServer, findRepositoryRoot } from '#local-cluster';
import { addStream, SmallDisk, waitFor } from '#testing';

const NC = `#!${process.execPath}
const [host, port] = process.argv.slice(-2);
const socket = require('node:net').connect(Number(port), host);
process.stdin.pipe(socket, { end: false });
socket.pipe(process.stdout);
socket.on('error', () => process.exit(1));`;
const DISK_MB = 120;

let folder: string;
let disk: SmallDisk;
let broker: ChildProcess | undefined;
let brokers: ChildProcess[] = [];
let output: string;

async function end(process: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = new Promise((resolve) => process.once('exit', resolve));
  process.kill(signal);
  await ended;
}

/** Starts the script like a container. `more` is added to the configuration of the broker of that name. */
function run(name: string, ports: readonly [client: number, monitor: number], more = ''): ChildProcess {
  const config = join(folder, `${name}.conf`);
  writeFileSync(
    config,
    `listen: "127.0.0.1:${ports[0]}"\nhttp: "127.0.0.1:${ports[1]}"\nserver_name: ${name}\n${more}` +
      'jetstream { store_dir: $NATS_STORE_DIR, max_file_store: $NATS_FILE_STORE_BYTES }\n',
  );
  const process = spawn('sh', [join(findRepositoryRoot(), 'deploy/broker.sh'), '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: `${join(folder, 'bin')}:${globalThis.process.env['PATH'] ?? ''}`,
      NATS_STORE_DIR: storeOf(name),
      NATS_MONITOR_PORT: String(ports[1]),
      SEKALI_BROKER_CHECK_EVERY_SECONDS: '1',
    },
  });
  process.stderr.on('data', (chunk) => (output += String(chunk)));
  brokers.push(process);
  return process;
}

const storeOf = (name: string): string => join(disk.path, name, 'store');

async function untilHealthy(monitorPort: number, path: string): Promise<void> {
  const isHealthy = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${monitorPort}${path}`).catch(() => undefined))?.ok === true;
  await waitFor(isHealthy, { timeoutMs: 60_000, describe: 'the broker to be healthy' });
}

/** Starts one broker. @returns the client's URL */
async function start(): Promise<string> {
  const ports = (await drawFreePorts(2)) as [number, number];
  mkdirSync(join(disk.path, 'nats-1'), { recursive: true });
  broker = run('nats-1', ports);
  await untilHealthy(ports[1], '/healthz?js-enabled-only=true');
  return `nats://127.0.0.1:${ports[0]}`;
}

/** Starts three brokers that know each other. @returns the clients' URLs */
async function startThree(): Promise<string[]> {
  const ports = await drawFreePorts(9);
  const port = (index: number): number => ports[index] as number;
  const routes = [6, 7, 8].map((index) => `nats-route://127.0.0.1:${port(index)}`).join(', ');
  for (const index of [0, 1, 2]) {
    const cluster = `cluster { name: c, listen: "127.0.0.1:${port(index + 6)}", routes: [${routes}] }\n`;
    mkdirSync(join(disk.path, `nats-${index + 1}`), { recursive: true });
    run(`nats-${index + 1}`, [port(index), port(index + 3)], cluster);
  }
  for (const index of [3, 4, 5]) await untilHealthy(port(index), '/healthz');
  return [0, 1, 2].map((index) => `nats://127.0.0.1:${port(index)}`);
}

if (SmallDisk.canMount()) {
  beforeEach(() => {
    output = '';
    disk = SmallDisk.mount(DISK_MB);
    folder = mkdtempSync(join(tmpdir(), 'sekali-broker-'));
    mkdirSync(join(folder, 'bin'));
    writeFileSync(join(folder, 'bin/nc'), NC);
    chmodSync(join(folder, 'bin/nc'), 0o755);
    symlinkSync(findNatsServer(process.env['SEKALI_NATS_SERVER']), join(folder, 'bin/nats-server'));
  });

  afterEach(async () => {
    await Promise.all(brokers.map((one) => end(one, 'SIGKILL')));
    brokers = [];
    broker = undefined;
    disk.unmount();
    rmSync(folder, { recursive: true, force: true });
  });

  describe('the start of a broker', () => {
    it('bounds it by a third of half of what is free, and never lower than before', async () => {
      const url = await start();
      const bytes = Number(/may keep (\d+) bytes/.exec(output)?.[1]);
      expect(bytes).toBeGreaterThan((DISK_MB * 1024 ** 2) / 6 - 1024 ** 2);
      expect(bytes).toBeLessThan((DISK_MB * 1024 ** 2) / 6 + 1024 ** 2);
      const connection = await connect({ servers: url });
      const manager = await jetstreamManager(connection);
      const tooLarge = manager.streams.add({ name: 'S', subjects: ['s.>'], max_bytes: bytes + 1 });
      await expect(tooLarge).rejects.toMatchObject({ code: 10047 });
      await connection.close();
      const ended = new Promise((resolve) => broker?.once('exit', resolve));
      broker?.kill('SIGTERM');
      await ended;
      writeFileSync(join(disk.path, 'other'), new Uint8Array(60 * 1024 ** 2));
      output = '';
      await start();
      expect(Number(/may keep (\d+) bytes/.exec(output)?.[1])).toBe(bytes);
    }, 60_000);

    it('ends it after its disk was full, once there is room', async () => {
      const url = await start();
      const connection = await connect({ servers: url, maxReconnectAttempts: 0 });
      await (await jetstreamManager(connection)).streams.add({ name: 'S', subjects: ['s.>'] });
      const taken = disk.fill();
      const isReportedFull = async (): Promise<boolean> => {
        await jetstream(connection)
          .publish('s.a', new Uint8Array(20_000), { timeout: 500 })
          .catch(() => undefined);
        return output.includes('is full: make room');
      };
      await waitFor(isReportedFull, { timeoutMs: 40_000, describe: 'the full disk to be said' }).catch(
        (cause: unknown) => {
          throw new Error(output.slice(-2_000), { cause });
        },
      );
      expect(broker?.exitCode).toBeNull();
      const ended = new Promise((resolve) => broker?.once('exit', resolve));
      rmSync(taken);
      await ended;
      expect(output).toContain('ending the broker, to be started again');
      await connection.close();
      await start();
    }, 120_000);
  });

  describe('brokers that all forgot their streams', () => {
    it('have them again after they were started again', async () => {
      const names = ['nats-1', 'nats-2', 'nats-3'];
      const connection = await connect({ servers: await startThree() });
      const manager = await jetstreamManager(connection);
      await addStream(manager, { name: 'S', subjects: ['s.>'], num_replicas: 3, max_bytes: 1_000_000 });
      for (let index = 0; index < 20; index += 1) await jetstream(connection).publish('s.a', '1');
      await connection.close();
      const logOf = (name: string): string => join(storeOf(name), 'jetstream', '$SYS', '_js_', '_meta_');
      const stateOf = (folder: string): string =>
        existsSync(folder)
          ? execFileSync('sh', ['-c', 'cd "$0" && find . -type f -exec cksum {} + | sort', folder]).toString()
          : '';
      const isCopied = (name: string): boolean =>
        stateOf(logOf(name)) === stateOf(join(storeOf(name), 'meta-layer', '$SYS'));
      await waitFor(() => names.every(isCopied), { timeoutMs: 30_000, describe: 'a copy at each broker' });
      await Promise.all(brokers.map((one) => end(one, 'SIGTERM')));
      brokers = [];
      for (const name of names) rmSync(logOf(name), { recursive: true });
      const again = await connect({ servers: await startThree() });
      let messages: number | undefined;
      const isThere = async (): Promise<boolean> => {
        const info = await (await jetstreamManager(again)).streams.info('S').catch(() => undefined);
        messages = info?.state.messages;
        return messages === 20;
      };
      await waitFor(isThere, { timeoutMs: 30_000, describe: 'the stream' }).catch((cause: unknown) => {
        throw new Error(`${messages} messages:\n${output.slice(-2_000)}`, { cause });
      });
      expect(output.match(/had forgotten its streams/g)).toHaveLength(3);
      await again.close();
    }, 180_000);
  });
} else {
  it('cannot try a full disk here: only root on Linux may mount one; the run of CI does', () => {
    expect(process.getuid?.() === 0 && process.platform === 'linux').toBe(false);
  });
}
