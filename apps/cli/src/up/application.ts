import { type ComponentFault, LocalClusterError, ManagedProcess } from '#local-cluster';
import { poll } from '#waiting';
import { describeExit } from './reporter.js';

/** How long a gateway may take to reach brokers and database, before the system is said to be ready without. */
const SERVING_MS_MAX = 10_000;
const READY_TIMEOUT_MS = 60_000;
const SETUP_TIMEOUT_MS = 120_000;
const SILENT_MS_MAX = 30_000;

/** How to start one of our programs. */
export interface ApplicationOptions {
  /** "gateway-1": its name in messages and of its log. */
  readonly name: string;
  /** The JavaScript file. */
  readonly script: string;
  /** Arguments for Node itself. */
  readonly nodeArguments?: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly logFile: string;
}

/**
 * One of our own programs as a process: a gateway or a worker.
 *
 * It sends `{ type: 'ready', url? }` over its channel when it works. It drains and ends when the channel closes, so
 * that even `kill -9` of `up` does not leave it running.
 */
export class Application {
  readonly name: string;
  readonly process: ManagedProcess;
  private isReady = false;
  private aliveMs: number | undefined;
  private readyUrl: string | undefined;

  constructor(options: ApplicationOptions) {
    this.name = options.name;
    this.process = new ManagedProcess({
      name: options.name,
      command: process.execPath,
      args: [...(options.nodeArguments ?? []), options.script],
      environment: options.environment,
      logFile: options.logFile,
      channel: true,
    });
    this.process.onStart(() => {
      this.isReady = false;
      this.aliveMs = undefined;
    });
    this.process.onMessage((message) => {
      if (isLifeSign(message)) this.aliveMs = performance.now();
      const said = readReadyMessage(message);
      if (said === undefined) return;
      this.isReady = true;
      this.readyUrl = said.url ?? this.readyUrl;
    });
  }

  /** The URL that it reported, if it did. */
  get url(): string | undefined {
    return this.readyUrl;
  }

  /** Starts the process without waiting for it to be ready. */
  async spawn(): Promise<void> {
    await this.process.start();
  }

  /**
   * Resolves when the process has reported that it is ready. Throws `LocalClusterError` when it ends or takes too long.
   */
  async untilReady({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const ready = await poll(
      () => {
        if (this.process.pid === undefined) throw failure(this.process, 'ended while it started');
        return this.isReady || undefined;
      },
      { timeoutMs: READY_TIMEOUT_MS, intervalMs: 10, signal },
    );
    if (!ready) throw failure(this.process, `is not ready after ${READY_TIMEOUT_MS / 1_000} s`);
  }

  /**
   * Resolves when a gateway reaches brokers and database. It listens before, and refuses what is published then.
   *
   * One that does not get there in time is running all the same, and says itself what it lacks.
   */
  async untilServing({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    // A certificate of the user's own is perhaps none that this process trusts.
    if (this.readyUrl?.startsWith('http:') !== true) return;
    const url = new URL('/health/ready', this.readyUrl);
    const isServing = async (): Promise<true | undefined> => {
      const answer = await fetch(url, { signal: AbortSignal.timeout(SERVING_MS_MAX) }).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.ok === true ? true : undefined;
    };
    await poll(isServing, { timeoutMs: SERVING_MS_MAX, intervalMs: 50, signal });
  }

  /** A process that gave signs of life and gives none any more hangs. One that was paused on purpose does not. */
  fault(): Promise<ComponentFault | undefined> {
    const { aliveMs, process: child } = this;
    const isSilent = aliveMs !== undefined && performance.now() - aliveMs > SILENT_MS_MAX;
    if (!isSilent || child.isPaused) return Promise.resolve(undefined);
    return Promise.resolve({ what: `has given no sign of life for ${SILENT_MS_MAX / 1_000} s` });
  }

  async stop({ timeoutMs }: { timeoutMs: number }): Promise<void> {
    await this.process.stop({ timeoutMs });
  }
}

/** Runs a program that does its work and ends. Throws `LocalClusterError` unless it ends with code 0. */
export async function runToEnd(program: ManagedProcess, signal: AbortSignal): Promise<void> {
  const exit = await program.runToEnd({ timeoutMs: SETUP_TIMEOUT_MS, signal });
  if (exit === undefined) throw failure(program, `has not ended after ${SETUP_TIMEOUT_MS / 1_000} s`);
  if (exit.code !== 0) throw failure(program, describeExit(exit));
}

function isLifeSign(message: unknown): boolean {
  return (message as { type?: unknown } | null)?.type === 'alive';
}

/** Reads the message by which a program reports that it is ready; undefined for any other. */
export function readReadyMessage(message: unknown): { url?: string } | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, url } = message as { type?: unknown; url?: unknown };
  if (type !== 'ready') return undefined;
  return typeof url === 'string' ? { url } : {};
}

function failure(child: ManagedProcess, what: string): LocalClusterError {
  const tail = child.logTail();
  return new LocalClusterError(`${child.name} ${what}: ${lastWords(tail)} (log: ${child.logFile})`, tail);
}

/** The line of a log that says most about an end: the last error, otherwise the last line. */
export function lastWords(lines: readonly string[]): string {
  const line =
    lines.findLast((one) => /error|fatal/i.test(one) && !/^\s+at /.test(one)) ??
    lines.at(-1) ??
    'it wrote nothing';
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter(Boolean).join(': ') || line;
  } catch {
    return line.trim();
  }
}
