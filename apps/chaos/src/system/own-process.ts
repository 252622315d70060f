import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { until } from './deadline.js';
import { sendSignal } from './signals.js';
import type { Role, TargetProcess } from './target.js';

const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 5_000;
const STEADY_AFTER_MS = 30_000;
const KILL_MS_MAX = 5_000;
const LAST_WORDS_LINES = 5;

/** How a program is run. */
export interface OwnProcessOptions {
  readonly name: string;
  readonly role: Role;
  /** A JavaScript file. */
  readonly program: string;
  readonly args?: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Standard output and error are appended to it. */
  readonly logFile: string;
}

/**
 * A program that the judge starts itself and keeps running.
 *
 *   running ─exit─▶ waiting (250 ms, doubling to 5 s) ─▶ starting ─ready─▶ running
 *                      └── while restarts are held: until they are released
 *
 * The program sends `{ type: 'ready', url? }` over its channel when it works. It ends when the channel closes, so that
 * even `kill -9` of the judge does not leave it running. After a life of 30 s the waiting times begin at the shortest
 * again.
 */
export class OwnProcess implements TargetProcess {
  readonly name: string;
  readonly role: Role;
  private child: ChildProcess | undefined;
  private ready = false;
  private held = false;
  private stopping = false;
  private startedAt = 0;
  private delayMs = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: OwnProcessOptions) {
    this.name = options.name;
    this.role = options.role;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Starts it for the first time and resolves when it is ready. When it ends instead, it throws with its last lines.
   */
  async start(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    this.spawn();
    const first = this.pid;
    await until(
      () => {
        // This is a check and not a listener, because an end during the very first start is not the nemesis' fault but
        // ours.
        if (this.pid !== first) return 'ended' as const;
        return this.ready && ('ready' as const);
      },
      { timeoutMs, what: `${this.name} to be ready (log: ${this.options.logFile})`, signal },
    ).then((end) => {
      if (end === 'ended') throw new Error(`${this.name} ended while it started:\n${this.lastWords()}`);
    });
  }

  kill(signal: NodeJS.Signals): boolean {
    return sendSignal(this.pid, signal);
  }

  async untilRestarted(pid: number, timeoutMs: number): Promise<void> {
    const isBack = (): boolean => this.ready && this.pid !== undefined && this.pid !== pid;
    await until(isBack, { timeoutMs, what: `${this.name} to be started again` });
  }

  /** While held, its end is not followed by a start. */
  hold(held: boolean): void {
    this.held = held;
    if (!held && this.child === undefined) this.later();
  }

  /** Ends it for good: it is asked first, and killed after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    const isGone = (): boolean => this.child === undefined;
    this.kill('SIGCONT');
    this.kill('SIGTERM');
    const gone = await until(isGone, { timeoutMs, what: this.name }).catch(() => false);
    if (gone) return;
    this.kill('SIGKILL');
    await until(isGone, { timeoutMs: KILL_MS_MAX, what: `${this.name} to be gone` });
  }

  private spawn(): void {
    const { program, args = [], environment, logFile } = this.options;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a', 0o600);
    // It has its own session, so that Ctrl-C in the terminal reaches only us, and we decide the order of stopping.
    const child = fork(program, [...args], {
      env: { ...environment },
      execArgv: [],
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    this.child = child;
    this.ready = false;
    this.startedAt = performance.now();
    child.on('message', (message) => {
      if (this.child === child && isReadyMessage(message)) this.ready = true;
    });
    const ended = (): void => {
      if (this.child !== child) return;
      this.child = undefined;
      this.ready = false;
      this.later();
    };
    child.once('exit', ended).once('error', ended);
  }

  private later(): void {
    clearTimeout(this.timer);
    if (this.held || this.stopping) return;
    const steady = performance.now() - this.startedAt >= STEADY_AFTER_MS;
    this.delayMs = steady || this.delayMs === 0 ? DELAY_MS_MIN : Math.min(this.delayMs * 2, DELAY_MS_MAX);
    this.timer = setTimeout(() => {
      if (this.child === undefined && !this.held && !this.stopping) this.spawn();
    }, this.delayMs);
  }

  private lastWords(): string {
    const lines = readFileSync(this.options.logFile, 'utf8').trimEnd().split('\n');
    return lines.slice(-LAST_WORDS_LINES).join('\n');
  }
}

function isReadyMessage(message: unknown): boolean {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'ready';
}
