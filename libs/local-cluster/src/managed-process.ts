import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { valueOrTimeout } from '#waiting';
import { LocalClusterError } from './local-cluster-error.js';
import { isProcessPaused } from './process-identity.js';

const LOG_BYTES_MAX = 16 * 1024 * 1024;
const LOG_TAIL_BYTES = 16 * 1024;
const KILL_TIMEOUT_MS = 5_000;
const GIVE_UP_TIMEOUT_MS = 2_000;

/** How a process is to be run. */
export interface ProcessSpecification {
  /** Name of the process in messages, such as "nats-1". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Receives standard output and error. At a start, a log over 16 MiB is renamed to `<file>.1`. */
  readonly logFile: string;
  /** The whole environment. Without it, the process inherits ours. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly workingDirectory?: string;
  /** The user and group of the process; only root can choose. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Opens the channel of `process.send`. */
  readonly channel?: boolean;
}

/** How a process ended; one of the two is set. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface ProcessEvents {
  start: [pid: number];
  exit: [exit: ProcessExit];
  message: [message: unknown];
}

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/**
 * One child process that can be started, logged to a file, watched, stopped and started again.
 *
 *   idle ─start─▶ running ─exit─▶ idle
 *
 * The log survives this process, because the child writes the file itself, without a pipe. The child has its own
 * session, so Ctrl-C in a terminal reaches only us and we choose the order of stopping. If this process ends without
 * stopping its children, they are killed. SIGKILL is the exception, because no process can catch it.
 */
export class ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  private readonly events = new EventEmitter<ProcessEvents>();
  private child: ChildProcess | undefined;
  private ended: Promise<ProcessExit> | undefined;
  private logStartBytes = 0;

  constructor(private specification: ProcessSpecification) {
    this.name = specification.name;
    this.logFile = specification.logFile;
  }

  /** Pid of the running process; undefined while there is none. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Whether a signal such as SIGSTOP has stopped it, as far as the system shows (Linux). */
  get isPaused(): boolean {
    return this.pid !== undefined && isProcessPaused(this.pid);
  }

  /** Resolves when the present run ends; undefined while nothing runs. */
  get exited(): Promise<ProcessExit> | undefined {
    return this.child === undefined ? undefined : this.ended;
  }

  /** Calls back at every start, with the new pid. Returns a function that unsubscribes. */
  onStart(listener: (pid: number) => void): () => void {
    this.events.on('start', listener);
    return () => this.events.off('start', listener);
  }

  /** Calls back whenever a run ends, for any reason. Returns a function that unsubscribes. */
  onExit(listener: (exit: ProcessExit) => void): () => void {
    this.events.on('exit', listener);
    return () => this.events.off('exit', listener);
  }

  /** Calls back with each message that the process sends by `process.send`. Returns a function that unsubscribes. */
  onMessage(listener: (message: unknown) => void): () => void {
    this.events.on('message', listener);
    return () => this.events.off('message', listener);
  }

  /** Starts it and resolves with its pid. Throws when it is running already, or cannot be started at all. */
  async start(changes: Partial<Pick<ProcessSpecification, 'args' | 'environment'>> = {}): Promise<number> {
    if (this.child !== undefined) throw new Error(`${this.name} is running already (pid ${this.child.pid}).`);
    this.specification = { ...this.specification, ...changes };
    const { command, args, environment, workingDirectory, user } = this.specification;
    const log = this.openLog();
    let child: ChildProcess;
    try {
      const stdio: StdioOptions = [
        'ignore',
        log,
        log,
        ...(this.specification.channel ? (['ipc'] as const) : []),
      ];
      child = spawn(command, args, {
        stdio,
        detached: process.platform !== 'win32',
        windowsHide: true,
        ...(environment && { env: environment }),
        ...(workingDirectory !== undefined && { cwd: workingDirectory }),
        ...user,
      });
    } finally {
      closeSync(log);
    }
    this.child = child;
    this.watch(child);
    return this.settleStart(child);
  }

  /**
   * Starts it and resolves with how it ended. At `timeoutMs` it is stopped and the result is undefined. At an abort it
   * is stopped and the signal's reason is thrown.
   */
  async runToEnd({
    timeoutMs,
    signal,
  }: {
    timeoutMs: number;
    signal?: AbortSignal | undefined;
  }): Promise<ProcessExit | undefined> {
    signal?.throwIfAborted();
    await this.start();
    const stop = () => void this.stop({ timeoutMs: GIVE_UP_TIMEOUT_MS });
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    try {
      const exit = this.ended && (await valueOrTimeout(timeoutMs, this.ended));
      if (exit === undefined) await this.stop({ timeoutMs: GIVE_UP_TIMEOUT_MS });
      signal?.throwIfAborted();
      return exit;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Sends a signal to the running process. Returns false when there is none. */
  kill(signal: NodeJS.Signals): boolean {
    return this.child?.kill(signal) ?? false;
  }

  /**
   * Asks it to end with `signal` (SIGTERM), and kills it after `timeoutMs`. Resolves with how it ended, or with
   * undefined when it was not running. A paused (SIGSTOP) process is resumed so that it receives the signal.
   */
  async stop({
    signal = 'SIGTERM',
    timeoutMs,
  }: {
    signal?: NodeJS.Signals;
    timeoutMs: number;
  }): Promise<ProcessExit | undefined> {
    const { child, ended } = this;
    if (child === undefined || ended === undefined) return undefined;
    if (process.platform === 'win32' && child.connected) {
      // On Windows every signal kills at once, so a closed channel is the only way to ask.
      child.disconnect();
    } else {
      child.kill(signal);
      if (process.platform !== 'win32') child.kill('SIGCONT');
    }
    const exit = await valueOrTimeout(timeoutMs, ended);
    if (exit !== undefined) return exit;
    child.kill('SIGKILL');
    return valueOrTimeout(KILL_TIMEOUT_MS, ended);
  }

  /** The last lines that the present or last run wrote. */
  logTail(linesMax = 20): string[] {
    if (!existsSync(this.logFile)) return [];
    const size = statSync(this.logFile).size;
    const from = Math.max(this.logStartBytes, size - LOG_TAIL_BYTES);
    const bytes = Buffer.alloc(Math.max(0, size - from));
    const file = openSync(this.logFile, 'r');
    try {
      readSync(file, bytes, 0, bytes.length, from);
    } finally {
      closeSync(file);
    }
    const lines = bytes.toString('utf8').split('\n');
    return lines.filter((line) => line.trim() !== '').slice(-linesMax);
  }

  private openLog(): number {
    mkdirSync(dirname(this.logFile), { recursive: true });
    const size = existsSync(this.logFile) ? statSync(this.logFile).size : 0;
    if (size > LOG_BYTES_MAX) {
      rmSync(`${this.logFile}.1`, { force: true });
      renameSync(this.logFile, `${this.logFile}.1`);
    }
    this.logStartBytes = size > LOG_BYTES_MAX ? 0 : size;
    return openSync(this.logFile, 'a', 0o600);
  }

  private watch(child: ChildProcess): void {
    this.ended = new Promise((resolve) => {
      const finish = (exit: ProcessExit) => {
        if (!alive.delete(child)) return;
        if (this.child === child) this.child = undefined;
        resolve(exit);
        this.events.emit('exit', exit);
      };
      alive.add(child);
      child.once('exit', (code, signal) => finish({ code, signal }));
      child.on('error', () => {
        // A process that never started reports no exit. A failed signal to a live one does not end it.
        if (child.pid === undefined) {
          alive.delete(child);
          this.child = undefined;
        }
      });
      child.on('message', (message) => this.events.emit('message', message));
    });
  }

  private settleStart(child: ChildProcess): Promise<number> {
    return new Promise((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new LocalClusterError(
            `${this.name} cannot be started: ${this.specification.command}: ${error.code ?? error.message}.`,
          ),
        );
      });
      child.once('spawn', () => {
        const pid = child.pid as number;
        this.events.emit('start', pid);
        resolve(pid);
      });
    });
  }
}
