/**
 * A run: one stage after the other, the groups that were asked for, a table, a document and a chart.
 *
 * Each group gets a stage of its own, so that none inherits what another has stored. Progress goes to stderr.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { ratioChart } from './chart.js';
import { measureDrain } from './drain/drain.js';
import { measureFlat } from './drain/flat.js';
import { measureEndToEnd } from './end-to-end/end-to-end.js';
import { measureMemory } from './end-to-end/memory.js';
import { measureHttpBatch, measureHttpSingle } from './http/http.js';
import type { Group } from './measurement.js';
import type { BenchOptions, GroupName } from './options.js';
import { measureQueries } from './query/query.js';
import { FULL, SMALL, type Sizes } from './sizes.js';
import { Stage } from './stage/stage.js';
import { resultTable } from './table.js';

/** What a run leaves behind: bench.json. */
export interface BenchDocument {
  readonly startedAt: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly node: string;
  };
  readonly syncInterval: string;
  readonly sizes: Sizes;
  readonly groups: readonly Group[];
}

/** Told while it happens. */
interface Tell {
  readonly onTurn: (subject: string, round: number, value: number) => void;
  readonly onProgress: (line: string) => void;
}
type Measure = (stage: Stage, sizes: Sizes, tell: Tell) => Promise<readonly Group[]>;

const END_TO_END_RATES = [100, 1_000, 5_000] as const;

const MEASURES: Readonly<Record<GroupName, readonly Measure[]>> = {
  http: [
    async (stage, sizes, { onTurn }) => [await measureHttpSingle(stage, sizes, onTurn)],
    async (stage, sizes, { onTurn }) => [await measureHttpBatch(stage, sizes, 100, onTurn)],
    async (stage, sizes, { onTurn }) => [await measureHttpBatch(stage, sizes, 1_000, onTurn)],
  ],
  drain: [0, 0.3].map((duplicateShare): Measure => async (stage, sizes, tell) => [
    await measureDrain(stage, sizes, { duplicateShare, ...tell }),
  ]),
  'end-to-end': END_TO_END_RATES.map((rate): Measure => async (stage, sizes, { onTurn }) => [
    await measureEndToEnd(stage, sizes, rate, onTurn),
  ]),
  query: [(stage, sizes, { onProgress }) => measureQueries(stage, sizes, onProgress)],
  flat: [async (stage, sizes, tell) => [await measureFlat(stage, sizes, tell)]],
  memory: [async (stage, sizes, { onProgress }) => [await measureMemory(stage, sizes, onProgress)]],
};

/** Measures and prints. Throws when a subject did something wrong, or the system cannot be started. */
export async function runBench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const startedAt = new Date();
  const chosen = options.small ? SMALL : FULL;
  const sizes: Sizes = { ...chosen, rounds: options.rounds ?? chosen.rounds };
  const groups: Group[] = [];
  for (const name of options.only) {
    signal.throwIfAborted();
    const stage = await Stage.start({ syncInterval: options.syncInterval, signal });
    try {
      for (const measure of MEASURES[name]) groups.push(...(await measure(stage, sizes, tell)));
    } finally {
      await stage.stop();
    }
  }
  const document: BenchDocument = {
    startedAt: startedAt.toISOString(),
    machine: machine(),
    syncInterval: options.syncInterval ?? '2m',
    sizes,
    groups,
  };
  const text = options.json ? JSON.stringify(document, null, 2) : resultTable(groups);
  process.stdout.write(`${text}\n`);
  if (options.out !== undefined) await write(options.out, document);
}

const tell: Tell = {
  onTurn: (subject, round, value) => {
    const which = round === 0 ? 'warm-up' : `round ${round}`;
    const figure = value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
    process.stderr.write(`${which.padEnd(9)} ${subject.padEnd(40)} ${figure}\n`);
  },
  onProgress: progressLine,
};

/** The moving line of a terminal; elsewhere it would only fill a file. */
function progressLine(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${line}\r`);
}

async function write(folder: string, document: BenchDocument): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bench.json'), `${JSON.stringify(document, null, 2)}\n`);
  await writeFile(join(folder, 'bench.svg'), ratioChart(document.groups));
}

function machine(): BenchDocument['machine'] {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  };
}
