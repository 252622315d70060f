/**
 * A run: one suite after the other, the groups that were asked for, a table, a document and a chart.
 *
 * An interruption ends it at once. The current measurement is abandoned, and its environments are stopped.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { type Measure, type Reporter, type Suite, suites } from './suites.js';
import { ratioChart } from './chart.js';
import type { BenchDocument, Machine } from './document.js';
import type { Group } from './measurement.js';
import { type BenchOptions, GROUPS, resultName } from './options.js';
import { Progress } from './progress.js';
import { FULL, SMALL, type Sizes } from './sizes.js';
import { Environment } from './environment/environment.js';
import { resultText } from './table.js';

const DEFAULT_SYNC_INTERVAL = '2m';

/** Measures and prints. Throws when a subject did something wrong, or when the system cannot be started. */
export async function runBench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const startedAt = new Date();
  const chosen = options.small ? SMALL : FULL;
  const sizes: Sizes = {
    ...chosen,
    rounds: options.rounds ?? chosen.rounds,
    drainedKeys: options.keys ?? chosen.drainedKeys,
    outboxBacklog: options.backlog ?? chosen.outboxBacklog,
  };
  const progress = new Progress(process.stderr);
  const groups: Group[] = [];
  try {
    for (const suite of suites(options.loads)) {
      for await (const group of runSuite(suite, options, { sizes, progress, signal })) groups.push(group);
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
  if (options.out !== undefined) await write(join(options.out, resultName(options)), document);
  const text = options.json ? JSON.stringify(document, null, 2) : resultText(groups);
  process.stdout.write(`${text}\n`);
}

interface Circumstances {
  readonly sizes: Sizes;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The requested groups of a suite, each as soon as it is measured. The environments are stopped at the end. */
async function* runSuite(
  suite: Suite,
  options: BenchOptions,
  { sizes, progress, signal }: Circumstances,
): AsyncGenerator<Group, void> {
  const names = GROUPS.filter((name) => options.only.includes(name) && suite.groups[name] !== undefined);
  if (names.length === 0) return;
  progress.part(`${names.join(', ')}: starting brokers and Postgres`);
  const environments = await startEnvironments(suite.syncIntervals ?? [options.syncInterval], signal);
  const reporter: Reporter = { onRound: progress.round, onProgress: progress.now };
  try {
    for (const name of names) {
      progress.part(name);
      const measures: readonly Measure[] = suite.groups[name] ?? [];
      for (const measure of measures)
        yield* await unlessInterrupted(measure(environments, sizes, reporter), signal);
    }
  } finally {
    await Promise.all(environments.map((environment) => environment.stop()));
  }
}

/** Starts all environments together. When one cannot be started, none stays. */
async function startEnvironments(
  syncIntervals: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<[Environment, ...Environment[]]> {
  const starts = await Promise.allSettled(
    syncIntervals.map((syncInterval) => Environment.start({ syncInterval, signal })),
  );
  const environments = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return environments as [Environment, ...Environment[]];
  await Promise.all(environments.map((environment) => environment.stop()));
  throw failed.reason;
}

/** The result of `work`. Throws as soon as the signal is given, without waiting for `work`. */
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

/** @param path without an extension */
async function write(path: string, document: BenchDocument): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.json`, `${JSON.stringify(document, null, 2)}\n`);
  await writeFile(`${path}.svg`, ratioChart(document.groups));
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
