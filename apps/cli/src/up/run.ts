/**
 * `sekali up` from its first line to its last.
 *
 *   open data ─▶ check ports ─▶ start ─▶ ready ─signal─▶ stop ─▶ exit 0
 *        └──────────┴────────────┴─ failure ─▶ stop ─▶ one line, exit 1
 *
 * At every end, none of its processes is left and, when it is ephemeral, no file.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLocalClusterSettings, SettingsError, systemEnvironment } from '#config';
import {
  findNatsServer,
  findPostgres,
  findRepositoryRoot,
  LocalClusterError,
  openDataDirectory,
  readPostgresMajor,
  type DataDirectory,
} from '#local-cluster';
import { Interrupted, Interruption } from './interruption.js';
import type { UpOptions } from './options.js';
import { planPorts } from './plan.js';
import { createReporter, type Output, type Reporter } from './reporter.js';
import { LocalSystem, type ApplicationScripts } from './system.js';

const EXIT_KILLED = 130;
const REMOVE_RETRIES_MAX = 10;

/** What a test may replace. */
export interface UpSurroundings {
  readonly output?: Output;
  readonly errors?: Output;
  readonly scripts?: ApplicationScripts;
}

/** Runs the system until a signal stops it; returns the exit code. */
export async function runUp(options: UpOptions, surroundings: UpSurroundings = {}): Promise<number> {
  const { output = process.stdout, errors = process.stderr } = surroundings;
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const reporter = createReporter(output, options.json);
  let killed: Promise<void> | undefined;
  let system: LocalSystem | undefined;
  const onInsist = () => {
    killed ??= system?.kill();
  };
  const interruption = new Interruption(onInsist, {
    underNpm: systemEnvironment()['npm_lifecycle_event'] !== undefined,
  });
  let directory: DataDirectory | undefined;
  let code = 0;
  try {
    directory = openDataDirectory(options.ephemeral ? temporaryDirectory() : options.data);
    if (directory.notice !== undefined) reporter.notice(directory.notice);
    system = await prepareSystem(options, directory, reporter, surroundings.scripts ?? builtScripts());
    const report = await system.start(interruption.signal);
    directory.recordRunning({ ...report, gateways: report.gateways ?? [report.gateway] });
    reporter.ready(report, directory.logs);
    await interruption.wait();
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      reporter.close();
      errors.write(`${describeFailure(error)}\n`);
      code = 1;
    }
  }
  reporter.close();
  if (code === 0) reporter.notice('Stopping: gateways, workers, brokers, Postgres …');
  await system?.stop();
  await killed;
  if (directory !== undefined) leave(directory, options.ephemeral);
  interruption.close();
  if (code === 0) reporter.notice(killed === undefined ? 'Stopped.' : 'Killed.');
  return killed === undefined ? code : EXIT_KILLED;
}

async function prepareSystem(
  options: UpOptions,
  directory: DataDirectory,
  reporter: Reporter,
  scripts: ApplicationScripts,
): Promise<LocalSystem> {
  const { SEKALI_NATS_SERVER: natsServerBinary, SEKALI_POSTGRES_BIN: postgresBinDirectory } =
    readLocalClusterSettings();
  findNatsServer(natsServerBinary);
  const postgresMajor = await readPostgresMajor(findPostgres(postgresBinDirectory));
  directory.checkLayout({ postgresMajor, nodes: options.nodes });
  const ports = await planPorts(options);
  return new LocalSystem(
    {
      dataDirectory: directory.path,
      logDirectory: directory.logs,
      ports,
      nodes: options.nodes,
      workers: options.workers,
      withAccounts: options.accounts === true,
      syncInterval: options.syncInterval,
      natsServerBinary,
      postgresBinDirectory,
      scripts,
      environment: systemEnvironment(),
      onPids: (pids) => directory.recordChildren(pids),
    },
    reporter,
  );
}

function builtScripts(): ApplicationScripts {
  const script = (name: string) => join(findRepositoryRoot(), 'dist/apps', name, 'src/main.js');
  return {
    setup: script('setup'),
    gateway: script('gateway'),
    worker: script('worker'),
    accounts: script('accounts'),
    accountsSetup: join(findRepositoryRoot(), 'dist/apps/accounts/src/prepare.js'),
  };
}

function temporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'sekali-'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LocalClusterError(
      `No directory can be created in ${tmpdir()} (${code ?? String(error)}): name another with TMPDIR.`,
    );
  }
}

function leave(directory: DataDirectory, ephemeral: boolean): void {
  directory.close();
  if (ephemeral) rmSync(directory.path, { recursive: true, force: true, maxRetries: REMOVE_RETRIES_MAX });
}

/** One line for what the user can fix; the whole stack for a bug of ours. */
function describeFailure(error: unknown): string {
  if (error instanceof LocalClusterError || error instanceof SettingsError) return `sekali: ${error.message}`;
  // What the file system refuses while the system starts: a full disk, a directory of another user.
  if (error instanceof Error && 'syscall' in error && 'path' in error) return `sekali: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
