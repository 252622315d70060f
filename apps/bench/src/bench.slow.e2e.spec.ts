/**
 * `sekali bench` as a process: it ends, its result is complete, and Ctrl-C leaves nothing behind. No test asserts a
 * time.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findRepositoryRoot } from '#local-cluster';
import type { BenchDocument } from './document.js';
import { MemoryBound } from './environment/memory-bound.js';
import type { Group } from './measurement.js';
import { resultText } from './table.js';

const RUN_MS_MAX = 900_000;
const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const THREE = ['ours', 'ceiling', 'typical'];
const DRAIN = ['ours', 'ceiling', 'ceiling', 'typical'];
const TWO = ['ours', 'ceiling'];
const END_TO_END = ['ours', 'ours', 'ceiling', 'ceiling', 'ceiling'];
const FLAT = [{ against: 'ceiling', atMost: 1.25 }];
const COMMITTED = {
  roles: TWO,
  targets: [{ against: 'ceiling', atLeast: 1 }],
  bounds: ['committed and published'],
};

/** Some machines let no memory cgroup be created. */
function canBoundMemory(): boolean {
  const bound = MemoryBound.create(`bench-spec-${process.pid}`);
  void bound?.remove();
  return bound !== undefined;
}

/** Every group with its roles, its targets and the names of its bounds. */
const GROUPS: Readonly<Record<string, { roles: string[]; targets?: unknown[]; bounds?: string[] }>> = {
  'http-single': { roles: THREE, targets: [{ against: 'ceiling', atLeast: 1 }] },
  'http-batch-100': { roles: THREE, targets: [{ against: 'ceiling', atLeast: 1 }] },
  'http-batch-1000': { roles: THREE, targets: [{ against: 'ceiling', atLeast: 1 }] },
  ...Object.fromEntries(
    ['1', '8', '1-stored', '8-stored', '64-stored'].map((load) => [
      `http-single-${load}`,
      { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1 }] },
    ]),
  ),
  'http-repeats-1': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.97 }] },
  'http-repeats-30': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.85 }] },
  'http-repeats-100': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1.2 }] },
  'http-gzip-lines': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.9 }] },
  'http-otlp-protobuf': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.9 }] },
  'http-digests': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.97 }] },
  drain: {
    roles: DRAIN,
    targets: [
      { against: 'ceiling', atLeast: 0.85 },
      { against: 'typical', atLeast: 6 },
    ],
  },
  'drain-duplicates': { roles: DRAIN, targets: [{ against: 'ceiling', atLeast: 0.7 }] },
  'end-to-end-100': { roles: END_TO_END },
  'end-to-end-1000': { roles: END_TO_END, bounds: ['median above PubAck + insert', 'p99'] },
  'end-to-end-5000': { roles: END_TO_END },
  'query-page': { roles: TWO },
  'query-page-flat': { roles: TWO, targets: FLAT },
  'query-topic': { roles: TWO },
  'query-topic-flat': { roles: TWO, targets: FLAT },
  'query-one': { roles: TWO },
  'query-one-flat': { roles: TWO, targets: FLAT },
  'query-stats': { roles: TWO },
  'query-stats-flat': { roles: TWO, targets: FLAT },
  'query-where': { roles: TWO, bounds: ['median'] },
  'query-histogram': { roles: TWO, bounds: ['median'] },
  'drain-listeners': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.97 }] },
  'drain-pages': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.97 }] },
  'drain-counts': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.98 }] },
  flat: { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.85 }] },
  'flat-random': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.85 }] },
  'flat-random-recent': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.85 }] },
  'flat-random-old': { roles: TWO },
  ...(canBoundMemory() && {
    'flat-bounded': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.6 }] },
    'flat-bounded-recent': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.6 }] },
    'flat-bounded-old': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.3 }] },
  }),
  'flat-disk-keys': { roles: ['ours'] },
  'flat-disk-events': { roles: ['ours'] },
  'flat-disk-duplicates': { roles: ['ours'] },
  memory: {
    roles: Array<string>(5).fill('ours'),
    bounds: [
      'gateway, events pass',
      'worker, events pass',
      'gateway, filling the backlog',
      'worker, draining the backlog',
      'gateway, hammered',
    ],
  },
  'publisher-1': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.9 }] },
  'publisher-64': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1 }] },
  'publisher-1000': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1 }] },
  outbox: { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1 }] },
  'outbox-commits-1': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 1 }] },
  'outbox-commits-10': COMMITTED,
  'outbox-commits-100': COMMITTED,
  'outbox-backlog': { roles: TWO, targets: [{ against: 'ceiling', atLeast: 0.8 }] },
  ...Object.fromEntries(
    ['http-single', 'http-batch-100', 'http-batch-1000', 'drain', 'drain-duplicates'].flatMap((load) => [
      [`durability-${load}-1s`, { roles: TWO }],
      [`durability-${load}-always`, { roles: TWO }],
    ]),
  ),
};

let folder: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'bench-spec-')));
  // When root runs the tests, Postgres runs as another user.
  chmodSync(folder, 0o755);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

type Bench = ChildProcessByStdio<null, Readable, Readable>;

/** Starts a run that keeps all of its files in `place`. */
function bench(place: string, ...args: readonly string[]): Bench {
  mkdirSync(place, { recursive: true });
  return spawn(process.execPath, [MAIN, 'bench', '--small', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
    env: { ...process.env, NODE_OPTIONS: '', TMPDIR: place },
  });
}

async function end(child: Bench): Promise<number | null> {
  return new Promise((resolve) => child.once('close', resolve));
}

/** The processes of a run have its folder on their command line, or a parent that has. */
function processesIn(place: string): string[] {
  const list = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8', maxBuffer: 10_000_000 });
  return list.split('\n').filter((line) => line.includes(place));
}

describe('a small run of sekali bench', () => {
  let document: BenchDocument;
  let ended: { readonly code: number | null; readonly stderr: string };
  let place: string;
  let out: string;

  beforeAll(async () => {
    place = join(folder, 'small');
    out = join(folder, 'out');
    const child = bench(place, '--json', '--out', out);
    const [printed, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), end(child)]);
    ended = { code, stderr };
    document = JSON.parse(printed === '' ? '{"groups":[]}' : printed) as BenchDocument;
  }, RUN_MS_MAX);

  it('ends with 0 and leaves neither a process nor a file', () => {
    expect({ ...ended, stderr: ended.code === 0 ? '' : ended.stderr }).toStrictEqual({ code: 0, stderr: '' });
    expect(readdirSync(place)).toStrictEqual([]);
    expect(processesIn(place)).toStrictEqual([]);
  });

  const groupOf = (name: string): Group | undefined => document.groups.find((group) => group.name === name);

  it('has every group, in order', () => {
    expect(document.groups.map(({ name }) => name)).toStrictEqual(Object.keys(GROUPS));
  });

  it.each(Object.entries(GROUPS))('%s has its subjects, targets and bounds', (name, expected) => {
    const group = groupOf(name);
    expect({
      roles: group?.series.map(({ role }) => role),
      targets: group?.targets,
      bounds: group?.bounds?.map(({ what }) => what) ?? [],
    }).toStrictEqual({ targets: [], bounds: [], ...expected });
  });

  it.each(Object.keys(GROUPS))('%s has a finite figure for each round', (name) => {
    const { series = [], bounds = [] } = groupOf(name) ?? {};
    for (const { values } of series) {
      expect(values).toHaveLength(document.sizes.rounds);
      expect(values.every((value) => Number.isFinite(value) && value > 0)).toBe(true);
    }
    expect(bounds.every(({ found }) => Number.isFinite(found))).toBe(true);
  });

  it('gives processor time with every rate but those of repeats, on Linux', () => {
    const rates = document.groups
      // A repeat costs next to nothing in the stream, so its cost per accepted event says nothing.
      .filter(({ name }) => !name.startsWith('http-repeats'))
      .flatMap(({ series }) => series)
      .filter(({ unit }) => unit.endsWith('/s'))
      .map(({ subject, processorUs = [] }) => ({ subject, rounds: processorUs.length }));
    const rounds = process.platform === 'linux' ? document.sizes.rounds : 0;
    expect(rates).toStrictEqual(rates.map(({ subject }) => ({ subject, rounds })));
  });

  it('says that a producer faster than the brokers is refused', () => {
    expect(groupOf('memory')?.notes?.join()).toMatch(/refused [1-9]\d* requests with Retry-After/);
  });

  it('prints a table that names every group and judges every target', () => {
    const table = resultText(document.groups);
    for (const { what } of document.groups) expect(table).toContain(what);
    expect(table).not.toMatch(/not measured|NaN|undefined/);
  });

  it('writes what it prints, and the chart', () => {
    expect(JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8'))).toStrictEqual(document);
    const chart = readFileSync(join(out, 'bench.svg'), 'utf8');
    expect(chart).toContain('drain next to');
    expect(chart).not.toMatch(/NaN|undefined/);
  });
});

describe('sekali bench after Ctrl-C', () => {
  it.each([
    ['while the system starts', 'starting brokers'],
    ['while it measures', 'sekali worker'],
  ])(
    '%s ends everything with 130',
    async (_, moment) => {
      const place = join(folder, 'interrupted');
      const child = bench(place, '--only', 'drain', '--rounds', '3');
      const ended = end(child);
      const printed = text(child.stdout);
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => {
        const isNow = !stderr.includes(moment);
        stderr += chunk.toString();
        if (isNow && stderr.includes(moment)) child.kill('SIGINT');
      });
      expect({ code: await ended, printed: await printed }).toStrictEqual({ code: 130, printed: '' });
      expect(readdirSync(place)).toStrictEqual([]);
      expect(processesIn(place)).toStrictEqual([]);
    },
    RUN_MS_MAX,
  );
});

describe('the command line of sekali bench', () => {
  it.each([
    [['--only', 'speed'], 'There are http, drain'],
    [['--rounds', '0'], 'a whole number from 1 to 50'],
    [['--loads', 'flat-cold'], 'There are flat, flat-random'],
    [['--only', 'drain', '--loads', 'flat-random'], '--only leaves it out'],
    [['--fast'], "unknown option '--fast'"],
  ])('refuses %j with exit code 2', async (args, reason) => {
    const child = bench(join(folder, 'refused'), ...args);
    const [stderr, code] = await Promise.all([text(child.stderr), end(child)]);
    expect(stderr).toContain(reason);
    expect(code).toBe(2);
  });
});
