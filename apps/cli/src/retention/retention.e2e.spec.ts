/** Retention as its user sees it: setup takes the rules, a worker obeys them, and the command shows and drops. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';

const END_MS_MAX = 30_000;
/** Events of a day that has no partition, of a stream that is gone. */
const INSERT = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest, stored_at)
  SELECT $1, 'e' || seq, 4711, seq, 0, $4::timestamptz FROM generate_series($2::bigint, $3::bigint) AS seq RETURNING *
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT stream_id, seq, topic, event_id, 's', now(), '{}', now(), stored_at FROM key`;

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});
afterAll(() => system.dispose());

function retention(...args: string[]): Promise<Ended> {
  const main = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
  const env = { PATH: process.env['PATH'], ...system.environment };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, 'retention', ...args],
      { env, timeout: END_MS_MAX },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
      },
    );
  });
}

async function events(): Promise<number> {
  const { rows } = await system.pool.query<{ events: number }>(
    'SELECT count(*)::int AS events FROM sekali.event',
  );
  return rows[0]?.events ?? -1;
}

describe('retention', () => {
  it('is off until setup gets rules, which the command shows and obeys', async () => {
    await system.pool.query(INSERT, ['logs.web', 1, 30, '2020-02-02T12:00:00Z']);
    await system.pool.query(INSERT, ['orders', 31, 40, '2020-02-02T12:00:00Z']);
    expect(await retention('--dry-run')).toEqual({
      code: 0,
      stdout: 'No payload is older than its rule.\n',
      stderr: '',
    });
    await startApp('setup', { ...system.environment, SEKALI_RETENTION: 'logs.>=7d,orders=36500d' });
    const shown = JSON.parse((await retention('--dry-run', '--json')).stdout) as { payloads: unknown[] };
    expect(shown.payloads).toContainEqual({
      ...{ day: null, partition: 'event_default', topic: 'logs.web', rows: 30 },
      ...{ bytes: expect.any(Number), whole_day: false },
    });
    expect((await retention('--dry-run')).stdout).toMatch(/event_default .*logs\.web .*30 /);
    expect(await events()).toBe(40);
    const dropped = await retention('--json');
    expect(JSON.parse(dropped.stdout)).toMatchObject({ payloads: 30, rows: 0, done: true });
    expect(dropped.code).toBe(0);
    expect(await events()).toBe(10);
    expect((await retention()).stdout).toMatch(
      /^Dropped 0 payloads of 0 bytes, 0 whole days, and 0 other rows\. Forgot 0 ids\.\n$/,
    );
  });

  it('is done by a worker', async () => {
    await startApp('setup', { ...system.environment, SEKALI_RETENTION: '>=7d' });
    for (let n = 0; n < 3; n++)
      await jetstream(system.connection).publish(`${system.subjectPrefix}.logs`, 'x');
    await (await jetstreamManager(system.connection)).streams.purge(system.streamName, { seq: 3 });
    const worker = await startApp('worker', { ...system.environment, SEKALI_METRICS_PORT: '0' });
    await waitFor(async () => (await events()) === 0, {
      timeoutMs: 20_000,
      describe: 'the payloads to be dropped',
    });
    const { rows } = await system.pool.query('SELECT seq::int AS seq FROM sekali.stream_floor');
    expect(rows).toEqual([{ seq: 3 }]);
    await waitFor(() => worker.output().includes('payloads were dropped by age'), {
      timeoutMs: 20_000,
      describe: 'the worker to say what it dropped',
    });
    await worker.stop();
  });

  it('ends by exit code where it cannot be done', async () => {
    const holder = await system.pool.connect();
    await system.pool.query(INSERT, ['orders', 41, 50, '2020-02-02T12:00:00Z']);
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(7365006)');
    const refused = await retention();
    await holder.query('ROLLBACK');
    holder.release();
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Some is left') });
    const unreachable = await retention('--postgres', 'postgres://127.0.0.1:1/none');
    expect(unreachable).toMatchObject({ code: 2, stderr: expect.stringContaining('the database at') });
  });

  it('refuses rules that are none, with an example', async () => {
    for (const rules of [
      'logs.>',
      'logs=7',
      'logs=0d',
      'a>=7d',
      '=7d',
      'logs.=7d',
      '>.a=7d',
      'logs=99999d',
    ]) {
      const setup = await startApp(
        'setup',
        { ...system.environment, SEKALI_RETENTION: rules },
        { untilReady: false },
      );
      expect(await setup.exited).toMatchObject({ code: 1 });
      expect(setup.output()).toContain('SEKALI_RETENTION: must be rules such as logs.>=7d');
    }
  });
});
