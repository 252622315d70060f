/** The tarball of the library, in a project that has nothing else of this repository. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { createTestSystem, type TestSystem, waitFor } from '#testing';

const ROOT = resolve(import.meta.dirname, '../../..');
const PACKAGE = join(ROOT, 'libs/idempotent-consumer');
const NAME = '@sekali/idempotent-consumer';
/** What a project installs in addition to it, and what these packages need for their types. */
const PEERS = [
  '@nats-io/jetstream',
  '@nats-io/nats-core',
  '@nats-io/transport-node',
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/microservices',
  '@types/node',
  '@types/pg',
  'pg',
  'reflect-metadata',
  'rxjs',
];

const PAYMENTS = 2_000;

/** A service of Nest in which each payment adds to a balance. */
const SERVICE = `import 'reflect-metadata';
import { connect } from '@nats-io/transport-node';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import pg from 'pg';
import { ErrorPassage, InboxContext, OncePerEvent, ownInboxes, PullConsumerStrategy } from '@sekali/idempotent-consumer';

@Controller()
class Balances {
  @OncePerEvent('balances')
  async apply(@Payload() payment: { amount: number }, @Ctx() { transaction }: InboxContext): Promise<void> {
    await transaction.query('UPDATE balance SET amount = amount + $1, payments = payments + 1', [payment.amount]);
  }
}

@Module({ controllers: [Balances] })
class Service {}

const pool = new pg.Pool({ connectionString: process.env.POSTGRES_URL, max: 8 });
pool.on('error', () => undefined);
const connection = await connect({ servers: (process.env.NATS_URLS ?? '').split(','), maxReconnectAttempts: -1 });
const at = { connection, pool, stream: process.env.STREAM ?? '' };
const app = await NestFactory.createMicroservice<MicroserviceOptions>(Service, {
  logger: ['error', 'warn'],
  strategy: new PullConsumerStrategy({ ...at, ...ownInboxes({ ...at, ackWaitMs: 2_000 }), settings: { batchSize: 20 } }),
});
app.useGlobalFilters(new ErrorPassage());
await app.listen();
`;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let folder: string;
let packed: Packed;

/** Runs a program to its end. @returns its output @throws with all output when it failed */
function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error || status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? status}\n${stdout}\n${stderr}`);
  return stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-package-'));
  const said = run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], PACKAGE);
  [packed] = JSON.parse(said) as [Packed];
  writeFileSync(join(folder, 'package.json'), '{ "name": "a-service", "private": true, "type": "module" }');
  // The peers are links to the packages of this repository, so that no registry is asked.
  const tarball = `./${packed.filename.replace('@', '').replace('/', '-')}`;
  run('npm', ['install', '--offline', '--legacy-peer-deps', '--ignore-scripts', '--silent', tarball], folder);
  for (const peer of PEERS) {
    const link = join(folder, 'node_modules', peer);
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link)) symlinkSync(join(ROOT, 'node_modules', peer), link, 'junction');
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the tarball of the library', () => {
  it('holds the library, with types and source maps, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    const others = paths.filter((path) => !/^dist\/(idempotent-consumer|postgres|waiting)\/src\//.test(path));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(paths.filter((path) => /\.spec\.|\/test\//.test(path))).toEqual([]);
    for (const path of paths.filter((one) => one.endsWith('.js'))) {
      expect(paths).toContain(`${path}.map`);
      expect(paths).toContain(path.replace(/js$/, 'd.ts'));
    }
  });

  it('runs no script at installation, and has peer dependencies only', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'node_modules', NAME, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
      dependencies?: unknown;
    };
    expect(Object.keys(manifest.scripts)).toEqual(['prepack']);
    expect(manifest.dependencies).toBeUndefined();
  });

  it('compiles in a strict project with skipLibCheck: false', () => {
    writeFileSync(
      join(folder, 'balances.ts'),
      `import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type InboxContext, OncePerEvent, Poison } from '${NAME}';

@Controller()
export class Balances {
  @OncePerEvent('balances', { subjects: 'payments.>' })
  async apply(@Payload() payment: { account: string; amount: number }, @Ctx() { transaction }: InboxContext): Promise<void> {
    if (!Number.isSafeInteger(payment.amount)) throw new Poison('amount is not a whole number');
    await transaction.query('UPDATE account SET balance = balance + $2 WHERE id = $1', [payment.account, payment.amount]);
  }
}
`,
    );
    writeFileSync(
      join(folder, 'wrong.ts'),
      `import { Poison } from '${NAME}';
export const poison = new Poison();
`,
    );
    expect(compiled('balances.ts')).toBe('');
    expect(compiled('wrong.ts')).toMatch(/^wrong\.ts\(2,\d+\): error TS2554/);
  });
});

describe('a service of Nest that installed the library', () => {
  let system: TestSystem;
  let service: ChildProcess | undefined;

  beforeAll(async () => {
    system = await createTestSystem();
    // The database has nothing of the aggregator.
    await system.pool.query('DROP SCHEMA sekali CASCADE');
    await system.pool.query('CREATE TABLE balance AS SELECT 0::bigint AS amount, 0 AS payments');
    writeFileSync(join(folder, 'service.ts'), SERVICE);
    const said = compiled('service.ts', { noEmit: false, skipLibCheck: true });
    if (said !== '') throw new Error(said);
  });

  afterAll(async () => {
    await kill();
    await system.dispose();
  });

  function start(): void {
    const { natsUrls, postgresUrl, streamName } = system;
    const env = { NATS_URLS: natsUrls.join(','), POSTGRES_URL: postgresUrl, STREAM: streamName };
    service = spawn(process.execPath, ['service.js'], { cwd: folder, env, stdio: 'inherit' });
  }

  async function kill(): Promise<void> {
    if (service?.exitCode !== null || service.signalCode !== null) return;
    service.kill('SIGKILL');
    await once(service, 'exit');
  }

  async function balance(): Promise<{ amount: number; payments: number }> {
    const { rows } = await system.pool.query<{ amount: number; payments: number }>(
      'SELECT amount::int AS amount, payments FROM balance',
    );
    return rows[0] ?? { amount: NaN, payments: NaN };
  }

  it('adds every payment once, although it is killed in the middle', async () => {
    const js = jetstream(system.connection);
    const publish = (n: number): Promise<unknown> =>
      js.publish(`${system.subjectPrefix}.payments`, JSON.stringify({ amount: n }), { msgID: `p-${n}` });
    await Promise.all(Array.from({ length: PAYMENTS }, (_, n) => publish(n)));
    for (const share of [0.1, 0.4]) {
      start();
      const isMiddle = async (): Promise<boolean> => (await balance()).payments >= share * PAYMENTS;
      await waitFor(isMiddle, { timeoutMs: 60_000, describe: `a share of ${share} of the payments` });
      await kill();
    }
    expect((await balance()).payments).toBeLessThan(PAYMENTS);
    start();
    await waitFor(async () => (await balance()).payments >= PAYMENTS, {
      timeoutMs: 60_000,
      describe: 'every payment',
    });
    // By then the deliveries of the killed processes have come again.
    const inbox = 'SELECT count(*)::int AS keys FROM inbox.balances_key';
    expect((await system.pool.query(inbox)).rows).toEqual([{ keys: PAYMENTS }]);
    expect(await balance()).toEqual({ amount: (PAYMENTS * (PAYMENTS - 1)) / 2, payments: PAYMENTS });
  });
});

/** Compiles one file. @returns the output of the compiler */
function compiled(file: string, more: object = {}): string {
  const options = {
    ...{ target: 'es2023', module: 'nodenext', strict: true, skipLibCheck: false, noEmit: true },
    ...more,
    ...{ experimentalDecorators: true, emitDecoratorMetadata: true, types: ['node'] },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [file] }));
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  return spawnSync(process.execPath, [compiler, '-p', '.'], { cwd: folder, encoding: 'utf8' }).stdout;
}
