/** `sekali export` as a process: what it prints, and what is left of it when it is killed or interrupted. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import { ensurePartitions } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const DAY_MS = 86_400_000;
const DAY = new Date(Date.now() - 2 * DAY_MS).toISOString().slice(0, 10);
const SMALL = 10;
const LARGE = 80_000;
const DEADLINE = { timeoutMs: 60_000, describe: 'a file to be begun' };
/** Two small topics come before the large one, and two after it. */
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT 1, seq + 1000000 * number, topic, 'e' || seq, 's', now(), jsonb_build_object('n', seq), now(), $1::date + interval '1 h'
FROM (VALUES (1, 'a', ${SMALL}), (2, 'b', ${SMALL}), (3, 'm', ${LARGE}), (4, 'y', ${SMALL}), (5, 'z', ${SMALL})) AS topic (number, topic, events),
  generate_series(1, events) AS seq`;
const WHOLE = ['a', 'b', 'm', 'y', 'z'].map((topic) => join(`topic=${topic}`, `day=${DAY}`, 'part.parquet'));

let system: TestSystem;
let folder: string;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  await ensurePartitions(system.pool, new Date(DAY));
  await system.pool.query(INSERT, [DAY]);
});

afterAll(() => system.dispose());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-export-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const environment = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  NO_COLOR: '1',
  ...system.environment,
});

async function ended(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'export', ...args], { env: environment() }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

/**
 * Begins an export, and sends it a signal in the middle of the large file. Where this process was too slow for that, the
 * export begins again.
 */
async function endedInTheMiddle(signal: 'SIGKILL' | 'SIGINT'): Promise<{ code: unknown; stdout: string }> {
  for (;;) {
    const child = spawn(process.execPath, [MAIN, 'export', '--parquet', folder], { env: environment() });
    const closed = once(child, 'close');
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    await waitFor(() => child.exitCode !== null || unfinished().some((path) => path.startsWith('topic=m')), {
      ...DEADLINE,
      intervalMs: 1,
    });
    child.kill(signal);
    const [code] = (await closed) as [unknown];
    if (!files().includes(WHOLE[2] as string)) return { code, stdout };
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
  }
}

function files(): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes('part.parquet'))
    .sort();
}

const unfinished = (): string[] => files().filter((path) => path.includes('unfinished'));

/** What is in the files and not once in the database, or the other way round. */
async function differences(): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const duckdb = await instance.connect();
  const query = `SELECT topic, event_id, seq::VARCHAR AS seq, payload::VARCHAR AS payload FROM '${folder}/*/*/*.parquet'`;
  const found = (await duckdb.runAndReadAll(query)).getRows().map((row) => row.join(' '));
  duckdb.closeSync();
  instance.closeSync();
  const { rows } = await system.pool.query<{ line: string }>(
    `SELECT concat_ws(' ', topic, event_id, seq, payload) AS line FROM sekali.event`,
  );
  const stored = new Set(rows.map(({ line }) => line));
  const seen = new Set<string>();
  const extra = found.filter((line) => !stored.has(line) || seen.has(line) || !seen.add(line));
  return [...extra, ...[...stored].filter((line) => !seen.has(line))];
}

describe('sekali export', () => {
  it('is killed in the middle of a file, and the next run has all of it', async () => {
    await endedInTheMiddle('SIGKILL');
    expect(unfinished()).toHaveLength(1);
    expect(files().filter((path) => !path.includes('unfinished'))).toEqual(WHOLE.slice(0, 2));
    const { code, stdout } = await ended('--parquet', folder, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      files: 3,
      events: LARGE + 2 * SMALL,
      present: 2,
      open_days: [],
    });
    expect(files()).toEqual(WHOLE);
    expect(await differences()).toEqual([]);
  }, 120_000);

  it('is interrupted, leaves no part of a file, and says so', async () => {
    const { code, stdout } = await endedInTheMiddle('SIGINT');
    expect(code).toBe(130);
    expect(stdout).toContain(`Wrote ${2 * SMALL} events to 2 files`);
    expect(stdout).toContain('Interrupted.');
    expect(files()).toEqual(WHOLE.slice(0, 2));
  }, 120_000);

  it('says what is wrong', async () => {
    for (const [args, message] of [
      [['--parquet', '/dev/null/x'], 'cannot write to /dev/null/x: not a directory'],
      [['--parquet', folder, '--postgres', 'postgres://127.0.0.1:1/none'], 'the database at'],
    ] as const) {
      const { code, stdout, stderr } = await ended(...args);
      expect(stderr).toContain(message);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    }
  });
});
