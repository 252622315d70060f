/**
 * Apps as separate processes, as in production: started from `dist`, stopped by signals.
 *
 *   started ─{type:'ready'}─▶ ready ─stop() / kill()─▶ exited
 *
 * The apps that still run after the last test of the file are stopped then. Their log is the error output, kept in a
 * file.
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRepositoryRoot, ManagedProcess, type ProcessExit } from '#local-cluster';
import { atTheEnd } from './clean-up.js';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;

/** The apps that can be started. */
export type AppName = 'gateway' | 'worker' | 'setup' | 'accounts';

/** A started app. */
export interface App {
  readonly pid: number;
  /** Resolves when the app says so. Rejects when it ends before, with its output. */
  readonly ready: Promise<void>;
  /** The URL of a gateway that is ready. Throws for an app that has none. */
  readonly url: string;
  /** How it ended, for any reason. */
  readonly exited: Promise<ProcessExit>;
  /** Sends SIGTERM. Throws when the app does not end in time (15 s when left out), after killing it. */
  stop(options?: { readonly timeoutMs?: number }): Promise<ProcessExit>;
  /** Sends a signal; `exited` shows when it took effect. False when the app has ended already. */
  kill(signal: NodeJS.Signals): boolean;
  /** What it has written so far, to both outputs. */
  output(): string;
}

/** Options of `startApp`. */
export interface StartOptions {
  /**
   * Whether to wait until it is ready. False resolves as soon as the process runs, for an app that is expected to fail
   * or to wait.
   */
  readonly untilReady?: boolean;
  /** The default is 30 s. */
  readonly timeoutMs?: number;
  /** Another program of the app than `src/main.js`, for example `judged/faulty-worker.js`. */
  readonly program?: string;
  /** Arguments of the program. */
  readonly programArguments?: readonly string[];
  /** Flags for node itself, such as `--import` of a fault. */
  readonly nodeArguments?: readonly string[];
}

/**
 * Starts an app and resolves when it is ready; `setup` is ready when its work is done.
 *
 * @param environment of a `TestSystem`; of our own environment, only PATH, HOME and TMPDIR are passed on
 * @throws when it ends first or takes too long, with its output
 */
export async function startApp(
  name: AppName,
  environment: Readonly<Record<string, string>>,
  options: StartOptions = {},
): Promise<App> {
  const main = join(findRepositoryRoot(), `dist/apps/${name}/${options.program ?? 'src/main.js'}`);
  if (!existsSync(main)) throw new Error(`apps/${name} is not built: run "npm run build".`);
  // It has its own folder, so that the clone's `.env` does not change the test.
  const folder = mkdtempSync(join(tmpdir(), `sekali-${name}-`));
  const managed = new ManagedProcess({
    name,
    command: process.execPath,
    args: [...(options.nodeArguments ?? []), main, ...(options.programArguments ?? [])],
    environment: { ...inheritedEnvironment(), ...environment },
    logFile: join(folder, 'output.log'),
    workingDirectory: folder,
    channel: true,
  });
  atTheEnd(async () => {
    await managed.stop({ timeoutMs: STOP_TIMEOUT_MS });
  });
  let url: string | undefined;
  const announced = new Promise<void>((resolve) => {
    managed.onMessage((message) => {
      const { type, url: at } = message as { type?: unknown; url?: unknown };
      if (typeof at === 'string') url = at;
      if (type === 'ready') resolve();
    });
  });
  const pid = await managed.start();
  const app = asApp(managed, pid, announced, () => url);
  if (options.untilReady !== false) await withDeadline(app, name, options.timeoutMs ?? READY_TIMEOUT_MS);
  return app;
}

function asApp(
  managed: ManagedProcess,
  pid: number,
  announced: Promise<void>,
  urlNow: () => string | undefined,
): App {
  const output = (): string => readFileSync(managed.logFile, 'utf8');
  const exited = managed.exited ?? Promise.reject(new Error(`${managed.name} has ended already`));
  const endedFirst = exited.then(({ code, signal }) => {
    // setup ends when its work is done, and may have ended before its message is read.
    if (code !== 0)
      throw new Error(`${managed.name} ended (${code ?? signal}) before it was ready:\n${output()}`);
  });
  const ready = Promise.race([announced, endedFirst]);
  // A test that does not wait for it has a reason, so its rejection must not end the test run.
  ready.catch(() => undefined);
  return {
    pid,
    ready,
    exited,
    output,
    get url() {
      const url = urlNow();
      if (url === undefined) throw new Error(`${managed.name} has no URL`);
      return url;
    },
    kill: (signal) => managed.kill(signal),
    stop: ({ timeoutMs = STOP_TIMEOUT_MS } = {}) => stopInTime(managed, exited, timeoutMs, output),
  };
}

async function stopInTime(
  managed: ManagedProcess,
  exited: Promise<ProcessExit>,
  timeoutMs: number,
  output: () => string,
): Promise<ProcessExit> {
  const exit = await managed.stop({ timeoutMs: timeoutMs });
  // It is undefined when the process had ended before, perhaps killed by the test itself.
  if (exit?.signal === 'SIGKILL') {
    throw new Error(`${managed.name} did not end within ${timeoutMs} ms:\n${output()}`);
  }
  return exited;
}

async function withDeadline(app: App, name: string, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${name} was not ready within ${timeoutMs} ms:\n${app.output()}`));
    }, timeoutMs);
  });
  await Promise.race([app.ready, deadline]).finally(() => {
    clearTimeout(timer);
  });
}

/** NODE_OPTIONS is left out, because the tests run with a flag that the apps must not need. */
function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR', 'SystemRoot'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
