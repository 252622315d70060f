/**
 * The real systemd-journal-upload, restarted after each failure as systemd does it, through a proxy with faults.
 *
 * It needs Debian's packages systemd-journal-remote and libmicrohttpd12, unpacked into the folder SEKALI_SHIPPERS. So
 * `npm test` leaves it out: `npm run test:shippers`. The address of the uploader is the one of the page.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { insertApiKeys } from '#store';
import {
  createTestSystem,
  FaultProxy,
  startApp,
  untilSettled,
  type App,
  type HttpFault,
  type TestSystem,
} from '#testing';

const SHIPPERS = process.env['SEKALI_SHIPPERS'] ?? '/';
const COUNT = 10_000;
/** The number of an entry whose value is larger than an event may be. */
const LARGE = 77;
const STARTS_MAX = 20;
const run = promisify(execFile);
const token = newApiKeyToken();
const programs = join(SHIPPERS, 'lib/systemd');
const environment = {
  ...process.env,
  LD_LIBRARY_PATH: [join(SHIPPERS, 'usr/lib/x86_64-linux-gnu'), '/usr/lib/x86_64-linux-gnu/systemd'].join(
    ':',
  ),
};
let folder: string;
let system: TestSystem;
let gateway: App;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-journal-'));
  system = await createTestSystem({ duplicateWindowMs: 1_000 });
  const key = {
    key_id: apiKeyIdOf(token) ?? '',
    name: 'journal',
    topics: null,
    scopes: ['publish'],
  } as const;
  await insertApiKeys(system.pool, [{ ...key, hash: apiKeyHash(token) }]);
  const keyed = { ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
  [gateway] = await Promise.all([startApp('gateway', keyed), startApp('worker', system.environment)]);
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A journal with as many entries; every tenth has a value that is not text. */
async function writeJournal(): Promise<void> {
  const parts: Buffer[] = [];
  for (let n = 0; n < COUNT; n++) {
    const fields = [
      `__REALTIME_TIMESTAMP=${1_795_341_600_000_000 + n}`,
      `__MONOTONIC_TIMESTAMP=${1_000 + n}`,
      '_BOOT_ID=0123456789abcdef0123456789abcdef',
      '_MACHINE_ID=fedcba9876543210fedcba9876543210',
      '_HOSTNAME=web-1',
      `_SYSTEMD_UNIT=${n % 2 === 0 ? 'web.service' : 'worker@1.service'}`,
      `MESSAGE=entry ${n}`,
    ];
    parts.push(Buffer.from(`${fields.join('\n')}\n`));
    if (n % 10 === 0) parts.push(binary('BYTES', Buffer.from([0, 0xff, 0x0a, n % 256])));
    if (n === LARGE) parts.push(binary('COREDUMP', Buffer.alloc(1_000_000, 0xfe)));
    parts.push(Buffer.from('\n'));
  }
  const exported = join(folder, 'in.export');
  writeFileSync(exported, Buffer.concat(parts));
  mkdirSync(join(folder, 'journal'));
  await run(join(programs, 'systemd-journal-remote'), ['-o', join(folder, 'journal/a.journal'), exported], {
    env: environment,
  });
}

function binary(name: string, value: Buffer): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), size, value, Buffer.from('\n')]);
}

/** The address in the page, with the token and the host of the test. */
function addressFor(host: string): string {
  const page = readFileSync(join(findRepositoryRoot(), 'apps/gateway/README.md'), 'utf8');
  const address = /^URL=(http:\S+)$/m.exec(page)?.[1] ?? '';
  return address.replace('<token>', token).replace('127.0.0.1:8080', host);
}

/** Runs the uploader once. @returns its exit code, and what it wrote */
async function upload(to: string): Promise<[code: number, output: string]> {
  const args = ['--url', addressFor(new URL(to).host), '--directory', join(folder, 'journal')];
  const state = [`--save-state=${join(folder, 'state')}`, '--follow=no'];
  try {
    const ended = await run(join(programs, 'systemd-journal-upload'), [...args, ...state], {
      env: environment,
      timeout: 60_000,
    });
    return [0, ended.stdout + ended.stderr];
  } catch (error) {
    const { code, stderr } = error as { code?: number; stderr?: string };
    return [code ?? -1, stderr ?? String(error)];
  }
}

describe('systemd-journal-upload', () => {
  it('has each of 10,000 entries stored once, in spite of every fault and of every restart', async () => {
    await writeJournal();
    const faults: HttpFault[] = [{ status: 503, body: 'no' }, { status: 429 }, 'reset', 'lose', 'pass'];
    const proxy = await FaultProxy.start(gateway.url, { faults });
    const codes: number[] = [];
    const failures: string[] = [];
    while (codes.at(-1) !== 0 && codes.length < STARTS_MAX) {
      const [code, output] = await upload(proxy.url);
      codes.push(code);
      if (code !== 0) failures.push(output);
    }
    expect(failures.filter((output) => !output.includes('Upload to http'))).toEqual([]);
    expect(codes).toEqual([1, 1, 1, 1, 0]);
    // Each further start sends the last entry again.
    for (let start = 0; start < 3; start++) expect((await upload(proxy.url))[0]).toBe(0);
    expect(proxy.seen.slice(3).map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    await untilSettled(manager, system.streamName, system.consumerName);
    const { rows } = await system.pool.query<Record<string, unknown>>(
      `SELECT count(*)::int AS events, count(DISTINCT payload->>'MESSAGE')::int AS messages,
           count(*) FILTER (WHERE payload ? 'BYTES' AND payload->'BYTES' ? 'base64')::int AS binary,
           count(DISTINCT topic)::int AS topics, min("timestamp") AS first, max(source) AS source
         FROM sekali.event`,
    );
    expect(rows).toEqual([
      {
        events: COUNT,
        messages: COUNT,
        binary: COUNT / 10,
        topics: 2,
        first: new Date('2026-11-22T10:00:00.000Z'),
        source: 'web-1/fedcba9876543210fedcba9876543210',
      },
    ]);
    const large = await system.pool.query<{ dump: string }>(
      `SELECT payload->'COREDUMP' AS dump FROM sekali.event WHERE payload->>'MESSAGE' = $1`,
      [`entry ${LARGE}`],
    );
    expect(large.rows).toEqual([{ dump: null }]);
  }, 240_000);
});
