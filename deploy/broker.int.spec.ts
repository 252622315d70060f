/**
 * The start of a broker in its container: its bound follows the disk, and it ends when it is of no use.
 *
 * The script runs here as it is, with the nats-server of the tests, on a disk that only root on Linux can make (tmpfs). Its
 * image has `nc`; a machine may not, so the test brings one.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drawFreePorts, findNatsServer, findRepositoryRoot } from '#local-cluster';
import { waitFor } from '#testing';

const NC = `#!${process.execPath}
const [host, port] = process.argv.slice(-2);
const socket = require('node:net').connect(Number(port), host);
process.stdin.pipe(socket, { end: false });
socket.pipe(process.stdout);
socket.on('error', () => process.exit(1));`;
const DISK_MB = 120;

let folder: string;
let disk: string;
let broker: ChildProcess | undefined;
let output: string;

function canMount(): boolean {
  const tried = mkdtempSync(join(tmpdir(), 'sekali-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', tried], { stdio: 'ignore' });
    execFileSync('umount', [tried]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(tried, { recursive: true, force: true });
  }
}

const ableTo = process.platform === 'linux' && canMount();

beforeEach(() => {
  output = '';
  folder = mkdtempSync(join(tmpdir(), 'sekali-broker-'));
  disk = join(folder, 'disk');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(disk);
  writeFileSync(join(folder, 'bin/nc'), NC);
  chmodSync(join(folder, 'bin/nc'), 0o755);
  symlinkSync(findNatsServer(process.env['SEKALI_NATS_SERVER']), join(folder, 'bin/nats-server'));
  if (ableTo) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]);
});

afterEach(async () => {
  if (broker?.exitCode === null && broker.signalCode === null) {
    const ended = new Promise((resolve) => broker?.once('exit', resolve));
    broker.kill('SIGKILL');
    await ended;
  }
  broker = undefined;
  if (ableTo) execFileSync('umount', ['-l', disk]);
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the script, as the container does. @returns the client's URL */
async function start(): Promise<string> {
  const [port, monitorPort] = (await drawFreePorts(2)) as [number, number];
  const config = join(folder, 'nats.conf');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${monitorPort}"\n` +
      'jetstream { store_dir: $NATS_STORE_DIR, max_file_store: $NATS_FILE_STORE_BYTES }\n',
  );
  broker = spawn('sh', [join(findRepositoryRoot(), 'deploy/broker.sh'), '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      NATS_STORE_DIR: join(disk, 'store'),
      NATS_MONITOR_PORT: String(monitorPort),
      SEKALI_BROKER_LOOK_EVERY_SECONDS: '1',
    },
  });
  broker.stderr?.on('data', (chunk) => (output += String(chunk)));
  const isHealthy = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${monitorPort}/healthz?js-enabled-only=true`).catch(() => undefined))
      ?.ok === true;
  await waitFor(isHealthy, { withinMs: 20_000, describe: 'the broker to be healthy' });
  return `nats://127.0.0.1:${port}`;
}

if (ableTo) {
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
      writeFileSync(join(disk, 'other'), new Uint8Array(60 * 1024 ** 2));
      output = '';
      await start();
      expect(Number(/may keep (\d+) bytes/.exec(output)?.[1])).toBe(bytes);
    }, 60_000);

    it('ends it after its disk was full, once there is room', async () => {
      const url = await start();
      const connection = await connect({ servers: url, maxReconnectAttempts: 0 });
      await (await jetstreamManager(connection)).streams.add({ name: 'S', subjects: ['s.>'] });
      const other = join(disk, 'other');
      try {
        writeFileSync(other, new Uint8Array(DISK_MB * 1024 ** 2));
      } catch {
        // It took what there was.
      }
      const isToldFull = async (): Promise<boolean> => {
        await jetstream(connection)
          .publish('s.a', new Uint8Array(20_000), { timeout: 500 })
          .catch(() => undefined);
        return output.includes('is full: make room');
      };
      await waitFor(isToldFull, { withinMs: 40_000, describe: 'the full disk to be said' }).catch(
        (cause: unknown) => {
          throw new Error(output.slice(-2_000), { cause });
        },
      );
      expect(broker?.exitCode).toBeNull();
      const ended = new Promise((resolve) => broker?.once('exit', resolve));
      rmSync(other);
      await ended;
      expect(output).toContain('ending the broker, to be started again');
      await connection.close();
      await start();
    }, 120_000);
  });
} else {
  it('cannot try a full disk here: only root on Linux may mount one; the run of CI does', () => {
    expect(process.getuid?.() === 0 && process.platform === 'linux').toBe(false);
  });
}
