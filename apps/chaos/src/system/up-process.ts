import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { AnnouncedProcess, roleOf } from './announced-process.js';
import { until } from './deadline.js';
import { isAlive, sendSignal } from './signals.js';

const READY_MS_MAX = 180_000;
const STOP_MS_MAX = 20_000;
const GONE_MS_MAX = 5_000;
const LAST_WORDS_LINES = 5;

/** Where the system is: the content of the line `ready`. */
export interface UpReady {
  readonly gateway: string;
  readonly gateways?: readonly string[];
  readonly nats: readonly string[];
  readonly postgres: string;
  readonly data: string;
  readonly logs: string;
  readonly pids: Readonly<Record<string, number>>;
}

/** How `up` is started. */
export interface UpOptions {
  /** The built main file of the command line. */
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `up.log` and, at the end, the logs of its processes are put here. */
  readonly logFolder: string;
  /** Called when `up` ends although it was not stopped. */
  readonly onLost?: (what: string) => void;
}

/**
 * `sekali up` as a child: its JSON lines come in, signals go out.
 *
 *   starting ─ready─▶ running ◀─SIGSTOP / SIGCONT─▶ held        any ─stop─▶ ended
 *
 * `stop` leaves none of its processes, in any state. Paused ones are woken first. What an orderly stop leaves after 20
 * s is killed by pid. If the judge is killed, `up` notices and stops by itself.
 */
export class UpProcess {
  private child: ChildProcess | undefined;
  private said: UpReady | undefined;
  private readonly known = new Map<string, AnnouncedProcess>();
  private readonly ended = new AbortController();
  private stopping = false;

  constructor(private readonly options: UpOptions) {}

  /** Its processes, all that can be disturbed. */
  get processes(): readonly AnnouncedProcess[] {
    return [...this.known.values()];
  }

  /** Starts it and resolves when everything of it works. When it throws, call `stop`. */
  async start(signal?: AbortSignal): Promise<UpReady> {
    this.spawn();
    return until(() => this.said, {
      timeoutMs: READY_MS_MAX,
      what: '"sekali up" to be ready',
      signal: signal === undefined ? this.ended.signal : AbortSignal.any([signal, this.ended.signal]),
    });
  }

  /** Pauses it, or lets it go on; its children are not touched. */
  hold(held: boolean): void {
    sendSignal(this.child?.pid, held ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Ends it and all its processes. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.keepLogs();
    for (const one of this.known.values()) one.kill('SIGCONT');
    this.hold(false);
    if (sendSignal(this.child?.pid, 'SIGTERM')) {
      const isGone = (): boolean => this.child === undefined;
      const timely = await until(isGone, { timeoutMs: STOP_MS_MAX, what: '"sekali up"' }).catch(() => false);
      if (timely) return;
    }
    await this.killAll();
  }

  /** The last resort: `up` was lost, or does not end. */
  private async killAll(): Promise<void> {
    sendSignal(this.child?.pid, 'SIGKILL');
    const pids = this.pids();
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    await until(() => this.child === undefined && pids.every((pid) => !isAlive(pid)), {
      timeoutMs: GONE_MS_MAX,
      what: `the processes ${pids.join(', ')} to be gone`,
    });
    const data = this.said?.data;
    // These are only the files that `up --ephemeral` created for itself, and would have removed.
    if (data !== undefined && resolve(data).startsWith(resolve(tmpdir())))
      rmSync(data, { recursive: true, force: true, maxRetries: 3 });
  }

  private spawn(): void {
    const { program, args, environment, logFolder } = this.options;
    mkdirSync(logFolder, { recursive: true });
    const log = openSync(this.logFile, 'a', 0o600);
    const child = spawn(process.execPath, [program, 'up', ...args], {
      // Under npm `up` ends with its parent. With this variable it ends with us, in every case.
      env: { ...environment, npm_lifecycle_event: 'chaos' },
      stdio: ['ignore', 'pipe', log],
      detached: true,
    });
    closeSync(log);
    this.child = child;
    // The types do not know that the second one is a pipe.
    createInterface({ input: child.stdout as Readable }).on('line', (line) => {
      appendFileSync(this.logFile, `${line}\n`);
      this.hear(line);
    });
    const leave = (): void => this.abandon();
    process.once('exit', leave);
    const ended = (): void => {
      process.off('exit', leave);
      this.child = undefined;
      if (!this.stopping) this.lose();
    };
    child.once('exit', ended).once('error', ended);
  }

  /** The judge ends without having stopped it. There is time only for two signals. */
  private abandon(): void {
    this.hold(false);
    sendSignal(this.child?.pid, 'SIGTERM');
  }

  private hear(line: string): void {
    let message: { event?: string; name?: string; pid?: number };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      return;
    }
    const { event, name = '', pid } = message;
    if (event === 'ready') this.remember(message as unknown as UpReady);
    if (event === 'exited') this.known.get(name)?.announce(undefined);
    if (event === 'restarted') this.known.get(name)?.announce(pid);
  }

  private remember(ready: UpReady): void {
    this.said = ready;
    for (const [name, pid] of Object.entries(ready.pids)) {
      const role = roleOf(name);
      if (role !== undefined) this.known.set(name, new AnnouncedProcess(name, role, pid));
    }
  }

  private lose(): void {
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n');
    const what = `"sekali up" ended:\n${lines.slice(-LAST_WORDS_LINES).join('\n')}`;
    this.ended.abort(new Error(what));
    this.options.onLost?.(what);
  }

  /** Pids of all processes that may run: those announced, and those that `up` wrote into its lock at the last start. */
  private pids(): number[] {
    const announced = this.processes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    if (this.said === undefined) return announced;
    try {
      const lock = JSON.parse(readFileSync(join(this.said.data, 'lock.json'), 'utf8')) as {
        children: { pid: number }[];
      };
      return [...new Set([...announced, ...lock.children.map(({ pid }) => pid)])];
    } catch {
      return announced;
    }
  }

  /** An ephemeral system removes its logs, but they are needed to explain a violation. */
  private keepLogs(): void {
    if (this.said === undefined) return;
    try {
      cpSync(this.said.logs, this.options.logFolder, { recursive: true });
    } catch {
      // Missing logs must not prevent the stop.
    }
  }

  private get logFile(): string {
    return join(this.options.logFolder, 'up.log');
  }
}
