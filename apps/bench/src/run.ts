/**
 * A run: one act after the other, the groups that were asked for, a table, a document and a chart.
 *
 * An interruption ends it at once: whatever is being measured is left to itself, and its stages are stopped.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Act, ACTS, type Measure, type Tell } from './acts.js';
import { ratioChart } from './chart.js';
import type { BenchDocument, Machine } from './document.js';
import type { Group } from './measurement.js';
import { type BenchOptions, GROUPS } from './options.js';
import { Progress } from './progress.js';
import { FULL, SMALL, type Sizes } from './sizes.js';
import { Stage } from './stage/stage.js';
import { resultText } from './table.js';

const DEFAULT_SYNC_INTERVAL = '2m';

/** Measures and prints. Throws when a subject did something wrong, or the system cannot be started. */
export async function runBench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const startedAt = new Date();
  const chosen = options.small ? SMALL : FULL;
  const sizes: Sizes = { ...chosen, rounds: options.rounds ?? chosen.rounds };
  const progress = new Progress(process.stderr);
  const groups: Group[] = [];
  try {
    for (const act of ACTS) {
      for await (const group of playAct(act, options, { sizes, progress, signal })) groups.push(group);
    }
  } catch (error) {
    // Half an hour of figures is worth reading even when the rest is missing.
    if (groups.length > 0) progress.line(resultText(groups));
    throw error;
  } finally {
    progress.stop();
  }
  const document: BenchDocument = {
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    machine: machine(),
    syncInterval: options.syncInterval ?? DEFAULT_SYNC_INTERVAL,
    sizes,
    groups,
  };
  if (options.out !== undefined) await write(options.out, document);
  const text = options.json ? JSON.stringify(document, null, 2) : resultText(groups);
  process.stdout.write(`${text}\n`);
}

interface Circumstances {
  readonly sizes: Sizes;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The groups of an act that were asked for, each as soon as it is measured. Its stages are gone when it ends. */
async function* playAct(
  act: Act,
  options: BenchOptions,
  { sizes, progress, signal }: Circumstances,
): AsyncGenerator<Group, void> {
  const names = GROUPS.filter((name) => options.only.includes(name) && act.groups[name] !== undefined);
  if (names.length === 0) return;
  progress.part(`${names.join(', ')}: starting brokers and Postgres`);
  const stages = await startStages(act.syncIntervals ?? [options.syncInterval], signal);
  const tell: Tell = { onTurn: progress.turn, onProgress: progress.now };
  try {
    for (const name of names) {
      progress.part(name);
      const measures: readonly Measure[] = act.groups[name] ?? [];
      for (const measure of measures) yield* await unlessInterrupted(measure(stages, sizes, tell), signal);
    }
  } finally {
    await Promise.all(stages.map((stage) => stage.stop()));
  }
}

/** Starts them together. Leaves none when one cannot be started. */
async function startStages(
  syncIntervals: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<[Stage, ...Stage[]]> {
  const starts = await Promise.allSettled(
    syncIntervals.map((syncInterval) => Stage.start({ syncInterval, signal })),
  );
  const stages = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return stages as [Stage, ...Stage[]];
  await Promise.all(stages.map((stage) => stage.stop()));
  throw failed.reason;
}

/** What `work` gives; throws as soon as the signal is given, whatever `work` does then. */
async function unlessInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function write(folder: string, document: BenchDocument): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bench.json'), `${JSON.stringify(document, null, 2)}\n`);
  await writeFile(join(folder, 'bench.svg'), ratioChart(document.groups));
}

function machine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  };
}
