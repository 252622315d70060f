/**
 * A run as its user sees it: progress, a verdict, a folder.
 *
 *   start ─▶ trial ─▶ judgement ─▶ report ─▶ stop
 *
 * The system is stopped in every case. The exit code is 0 when the promise held, 1 when it did not, 2 when that is
 * unknown, and 130 after an interruption.
 */
import { join } from 'node:path';
import type { Verdict } from './checker/verdict.js';
import { judge } from './judgement.js';
import type { ChaosOptions } from './options.js';
import { JsonProgress, type Progress, progressFor } from './report/progress.js';
import { timelineOf } from './report/recovery.js';
import { ReportFolder } from './report/report-folder.js';
import type { RunReport } from './report/run-report.js';
import { summaryText } from './report/summary.js';
import type { RunDescription } from './report/timeline.js';
import { verdictFile } from './report/verdict-file.js';
import { connectSystem, startSystem, type SystemUnderTest } from './system-under-test.js';
import { runTrial } from './trial.js';

/** The exit code of a run. */
export type ExitCode = 0 | 1 | 2 | 130;

/** Thrown through everything when the user interrupts the run. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const UNKNOWN = 2;

/** Runs it. Throws when there can be no run: without a system, or without a history. */
export async function runChaos(options: ChaosOptions, signal: AbortSignal): Promise<ExitCode> {
  const startedAt = new Date();
  const folder = await ReportFolder.create(options.out ?? defaultFolder(options.seed, startedAt));
  const json = options.json ? new JsonProgress(process.stdout) : undefined;
  const progress = json ?? progressFor(process.stderr);
  const lost = new AbortController();
  const either = AbortSignal.any([signal, lost.signal]);
  let system: SystemUnderTest | undefined;
  try {
    progress.note(`Seed ${options.seed}, report in ${folder.path}`);
    system = await open(options, folder, progress, either, (what) => {
      lost.abort(new Error(`The system has ended by itself: ${what}`));
    });
    for (const note of system.notes) progress.note(note);
    const report = await tryAndJudge(system, { options, folder, progress, startedAt, signal: either });
    await folder.write(report);
    progress.stop();
    if (json) json.event('verdict', { ...verdictFile(report), folder: folder.path });
    else say(report, folder);
    return exitCodeOf(report.verdict);
  } finally {
    progress.stop();
    await system?.stop();
  }
}

interface Surroundings {
  readonly options: ChaosOptions;
  readonly folder: ReportFolder;
  readonly progress: Progress;
  readonly startedAt: Date;
  readonly signal: AbortSignal;
}

async function open(
  options: ChaosOptions,
  folder: ReportFolder,
  progress: Progress,
  signal: AbortSignal,
  onLost: (what: string) => void,
): Promise<SystemUnderTest> {
  if (options.given) return connectSystem(options.given);
  const startedAt = performance.now();
  const shown = setInterval(() => {
    progress.update({
      phase: 'start',
      elapsedMs: performance.now() - startedAt,
      sent: 0,
      acknowledged: 0,
      settled: null,
      lag: null,
      activeFaults: [],
    });
  }, 250);
  try {
    const { nodes, sabotage, faults, minutes, rate } = options;
    const prepare = [...new Set(faults.flatMap((fault) => fault.prepares ?? []))];
    const messages = Math.ceil(minutes * 60 * rate);
    return await startSystem({ folder: folder.path, nodes, sabotage, prepare, messages, signal, onLost });
  } finally {
    clearInterval(shown);
  }
}

async function tryAndJudge(system: SystemUnderTest, surroundings: Surroundings): Promise<RunReport> {
  const { options, folder, progress, startedAt, signal } = surroundings;
  // On a system of our own everything is ours. Elsewhere two runs must not share a topic.
  const run = `${options.seed.toString(36)}-${startedAt.getTime().toString(36)}`;
  const topicPrefix = system.alone ? 'chaos' : `chaos.${run}`;
  const result = await runTrial({ system, options, folder, topicPrefix, progress, signal });
  progress.note('Reading and checking …');
  const verdict = await judge(system, result, topicPrefix);
  const { samples, faults, acknowledgements, loadEndedAtMs } = result;
  return {
    run: describe(options, startedAt),
    verdict,
    timeline: timelineOf({ samples, faults, acknowledgements, loadEndedAtMs }),
    judgeBytesMax: process.resourceUsage().maxRSS * 1024,
  };
}

function describe(options: ChaosOptions, startedAt: Date): RunDescription {
  const { seed, minutes, rate, sabotage, given, faults } = options;
  const names = faults.map((fault) => fault.name);
  return {
    seed,
    minutes,
    ratePerSecond: rate,
    faults: names,
    sabotage,
    target: given ? 'given' : 'own',
    startedAt: startedAt.toISOString(),
    command: commandOf(options),
  };
}

/** The command that repeats the run. It has no addresses, because they may contain a password. */
function commandOf(options: ChaosOptions): string {
  const { minutes, seed, rate, duplicates, topics, nodes, sabotage, faultNames } = options;
  const parts = [
    ['--minutes', minutes],
    ['--seed', seed],
    ['--faults', faultNames],
    ['--rate', rate],
    ['--duplicates', duplicates],
    ['--topics', topics],
    ['--nodes', nodes],
    ...(sabotage === undefined ? [] : [['--sabotage', sabotage]]),
  ];
  return `npx sekali chaos ${parts.flat().join(' ')}`;
}

function say(report: RunReport, folder: ReportFolder): void {
  process.stdout.write(`${summaryText(report, { colours: process.stdout.isTTY })}\n`);
  process.stdout.write(`Report: ${join(folder.path, 'report.html')}\n`);
}

function exitCodeOf({ valid }: Verdict): ExitCode {
  if (valid === 'unknown') return UNKNOWN;
  return valid ? 0 : 1;
}

function defaultFolder(seed: number, startedAt: Date): string {
  const moment = startedAt
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/[-:]/g, '');
  return join(process.cwd(), 'chaos-reports', `${moment}-${seed}`);
}
