/**
 * Starts processes again that died, and ends those that run and are useless.
 *
 *   running ─exit─▶ waiting (250 ms, doubling to 10 s) ─▶ starting ─ready─▶ running
 *     │ ▲              ▲                                     └─exit, or no start at all─┐
 *     │ └─no fault     └───────────────────────────────────────────────────────────────┘
 *     └─fault, in three checks in a row─▶ ended, which is an exit
 *
 * After a life of 30 s, the waiting times of a process begin at the shortest again. After `close` nothing is started
 * any more.
 */
import type { ComponentFault, ManagedProcess, ProcessExit } from '#local-cluster';
import { pause } from '#waiting';
import type { Reporter } from './reporter.js';

const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 10_000;
const STEADY_AFTER_MS = 30_000;
const CHECK_EVERY_MS = 2_000;
const FAULTY_CHECKS_MAX = 3;
const END_MS_MAX = 5_000;

/** Something that can be kept running. */
export interface Component {
  readonly name: string;
  readonly process: ManagedProcess;
  spawn(): Promise<unknown>;
  /** Resolves when the running process works; throws when it ends or takes too long. */
  untilReady(options: { signal?: AbortSignal }): Promise<void>;
  /** What is wrong with it although it runs; undefined when nothing is. A component without checks leaves it out. */
  fault?(): Promise<ComponentFault | undefined>;
}

/** How long to wait before the next start, after the last wait and a life of `livedMs`. */
export function nextDelayMs(lastDelayMs: number | undefined, livedMs: number): number {
  if (lastDelayMs === undefined || livedMs >= STEADY_AFTER_MS) return DELAY_MS_MIN;
  return Math.min(lastDelayMs * 2, DELAY_MS_MAX);
}

/** Keeps components running until it is closed. */
export class Supervisor {
  private readonly closing = new AbortController();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly unwatch: (() => void)[] = [];

  constructor(private readonly reporter: Reporter) {}

  /** Watches a component that runs now. */
  watch(component: Component): void {
    const checks = new FaultChecks(component, this.reporter);
    this.unwatch.push(() => {
      checks.close();
    });
    let startedAt = performance.now();
    let delayMs: number | undefined;
    const startLater = (): number => {
      delayMs = nextDelayMs(delayMs, performance.now() - startedAt);
      this.later(delayMs, () => {
        startedAt = performance.now();
        this.startAgain(component).catch((error: unknown) => {
          if (component.process.pid !== undefined || this.closing.signal.aborted) return;
          // The process was never created, so there is no exit event.
          this.reporter.notice((error as Error).message);
          startLater();
        });
      });
      return delayMs;
    };
    const onExit = (exit: ProcessExit): void => {
      this.reporter.exited(component.name, exit, startLater());
    };
    this.unwatch.push(component.process.onExit(onExit));
  }

  /** Ends the watching: from now on no exit is noticed and nothing is started. */
  close(): void {
    this.closing.abort();
    for (const stop of this.unwatch) stop();
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** Throws when there is nothing to wait for because the process could not be started at all. */
  private async startAgain(component: Component): Promise<void> {
    const { signal } = this.closing;
    await component.spawn();
    const { pid } = component.process;
    // An exit is reported, and followed by the next start, in its handler. A slow start is waited for here.
    const stillStarting = (): boolean => component.process.pid === pid && !signal.aborted;
    while (pid !== undefined && stillStarting()) {
      try {
        await component.untilReady({ signal });
        this.reporter.restarted(component.name, pid);
        return;
      } catch (error) {
        if (stillStarting()) this.reporter.notice((error as Error).message);
        await pause(DELAY_MS_MIN, signal);
      }
    }
  }

  private later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, delayMs);
    this.timers.add(timer);
  }
}

/** Checks a component while it runs, and ends it when it is useless. Its end is noticed like any other. */
class FaultChecks {
  private readonly timer: NodeJS.Timeout;
  private faulty = 0;
  private reported: string | undefined;
  private checking = false;

  constructor(
    private readonly component: Component,
    private readonly reporter: Reporter,
  ) {
    this.timer = setInterval(() => void this.check(), CHECK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async check(): Promise<void> {
    if (this.checking) return;
    this.checking = true;
    try {
      const { pid } = this.component.process;
      const fault = await this.component.fault?.();
      // The process may have ended or been started again meanwhile. Then the answer says nothing about the present one.
      const isSame = pid !== undefined && this.component.process.pid === pid;
      this.faulty = fault !== undefined && isSame ? this.faulty + 1 : 0;
      if (fault === undefined) this.reported = undefined;
      else if (this.faulty >= FAULTY_CHECKS_MAX) await this.end(fault);
    } finally {
      this.checking = false;
    }
  }

  private async end({ what, remedy }: ComponentFault): Promise<void> {
    const { name, process } = this.component;
    const said = remedy === undefined ? `${name} ${what}: ending it` : `${name} ${what}: ${remedy}`;
    if (said !== this.reported) this.reporter.notice(said);
    this.reported = said;
    if (remedy !== undefined) return;
    this.faulty = 0;
    await process.stop({ timeoutMs: END_MS_MAX });
  }
}
