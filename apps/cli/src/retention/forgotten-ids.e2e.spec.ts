/** Ids are forgotten as their user sees it: setup takes the age, a worker obeys it, and the audit stays whole. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, waitFor } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const TEST_MS_MAX = 180_000;
const WAIT_MS_MAX = 40_000;

/** Closes the first generation of keys, and makes all of it old. */
const AGE = `
UPDATE sekali.event SET stored_at = '2020-02-02T12:00:00Z';
UPDATE sekali.event_key SET stored_at = '2020-02-02T12:00:00Z';
SELECT sekali.change_key_generation('store', 0);
UPDATE sekali.key_generation SET closed_at = '2020-02-02T12:00:01Z' WHERE number = 0`;

const SETTLED = `
SELECT (SELECT count(*) FROM sekali.event_key)::int AS stored, (SELECT count(*) FROM sekali.duplicate)::int AS duplicates,
  (SELECT max(seq) FROM sekali.horizon)::int AS horizon`;

it(
  'are new again when they return, and the audit has one end for each message',
  async () => {
    const system = await createTestSystem({ replicas: 1 });
    const environment = { ...system.environment, SEKALI_RETENTION: '>=7d', SEKALI_RETENTION_IDS_DAYS: '30' };
    const sekali = (...args: readonly string[]): Promise<string> =>
      new Promise((resolve) => {
        const env = { PATH: process.env['PATH'], NO_COLOR: '1', ...system.environment };
        execFile(process.execPath, [MAIN, ...args], { env }, (_, stdout, stderr) => {
          resolve(stdout + stderr);
        });
      });
    const publish = async (first: number, last: number): Promise<void> => {
      for (let n = first; n <= last; n++) {
        const body = { event_id: `e${n}`, timestamp: '2026-11-22T10:00:00Z', source: 's', payload: { n } };
        await jetstream(system.connection).publish(`${system.subjectPrefix}.ids`, JSON.stringify(body));
      }
    };
    const settled = (stored: number, duplicates: number, horizon: number): Promise<unknown> =>
      waitFor(
        async () => {
          const { rows } = await system.pool.query<Record<string, number>>(SETTLED);
          const [row] = rows;
          return (
            row?.['stored'] === stored && row['duplicates'] === duplicates && (row['horizon'] ?? 0) >= horizon
          );
        },
        { timeoutMs: WAIT_MS_MAX, describe: `${stored} keys and ${duplicates} duplicates up to ${horizon}` },
      );
    await startApp('setup', environment);
    const first = await startApp('worker', environment);
    await publish(1, 20);
    await settled(20, 0, 0);
    await system.pool.query(AGE);
    await publish(21, 40);
    await publish(20, 20);
    await settled(40, 1, 20);
    await first.stop();
    expect(await sekali('retention', '--dry-run')).toMatch(
      /20 ids of generation 0 older than the age, .* payloads of their days are there/,
    );
    await (await jetstreamManager(system.connection)).streams.purge(system.streamName, { seq: 21 });
    // Its first pass notes which messages have left the stream.
    const second = await startApp('worker', environment);
    await settled(20, 1, 20);
    await publish(19, 20);
    await settled(22, 1, 20);
    await second.stop();
    expect(second.output()).toContain('ids were forgotten by age');
    expect(JSON.parse(await sekali('audit', '--json'))).toMatchObject({
      ...{ verdict: 'whole', violations: [], stored: 42, duplicates: 1 },
      forgotten_ids: [{ ids: 20 }],
    });
    await system.dispose();
  },
  TEST_MS_MAX,
);
