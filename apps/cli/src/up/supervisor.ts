/**
 * Starts again what dies, and what lives and is of no use.
 *
 *   running ─exit─▶ waiting (250 ms, doubling to 10 s) ─▶ starting ─ready─▶ running
 *     │ ▲              ▲                                     └─exit, or no start at all─┐
 *     │ └─no fault     └───────────────────────────────────────────────────────────────┘
 *     └─fault, three looks in a row─▶ ended, which is an exit
 *
 * A process that lived for 30 s starts the waiting times afresh. After `close` nothing is started any more.
 */
import type { ComponentFault, ManagedProcess, ProcessExit } from '#local-cluster';
import { pause } from '#waiting';
import type { Reporter } from './reporter.js';

const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 10_000;
const STEADY_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 2_000;
const FAULTY_LOOKS_MAX = 3;
const END_MS_MAX = 5_000;

/** Something that can be kept running. */
export interface Component {
  readonly name: string;
  readonly process: ManagedProcess;
  spawn(): Promise<unknown>;
  /** Resolves when the running process works; throws when it ends or takes too long. */
  untilReady(options: { signal?: AbortSignal }): Promise<void>;
  /** What is wrong with it although it runs; undefined when nothing is. Left out where nothing can be told. */
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
    const looks = new FaultLooks(component, this.reporter);
    this.unwatch.push(() => {
      looks.close();
    });
    let startedAt = performance.now();
    let delayMs: number | undefined;
    const startLater = (): number => {
      delayMs = nextDelayMs(delayMs, performance.now() - startedAt);
      this.later(delayMs, () => {
        startedAt = performance.now();
        this.startAgain(component).catch((error: unknown) => {
          if (component.process.pid !== undefined || this.closing.signal.aborted) return;
          // It never came to be, so no exit says so.
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

  /** Lets everything be: no exit is noticed and nothing is started from here on. */
  close(): void {
    this.closing.abort();
    for (const stop of this.unwatch) stop();
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** Throws when there is nothing to wait for: the process could not be started at all. */
  private async startAgain(component: Component): Promise<void> {
    const { signal } = this.closing;
    await component.spawn();
    const { pid } = component.process;
    // An end is reported, and followed by the next start, where it is noticed; a slow start is waited for.
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

/** Looks at a component while it runs, and ends it when it is of no use. Its end is noticed like any other. */
class FaultLooks {
  private readonly timer: NodeJS.Timeout;
  private faulty = 0;
  private told: string | undefined;
  private looking = false;

  constructor(
    private readonly component: Component,
    private readonly reporter: Reporter,
  ) {
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const { pid } = this.component.process;
      const fault = await this.component.fault?.();
      // Of a process that is gone by now, or was started meanwhile, nothing is known.
      const isSame = pid !== undefined && this.component.process.pid === pid;
      this.faulty = fault !== undefined && isSame ? this.faulty + 1 : 0;
      if (fault === undefined) this.told = undefined;
      else if (this.faulty >= FAULTY_LOOKS_MAX) await this.end(fault);
    } finally {
      this.looking = false;
    }
  }

  private async end({ what, remedy }: ComponentFault): Promise<void> {
    const { name, process } = this.component;
    const said = remedy === undefined ? `${name} ${what}: ending it` : `${name} ${what}: ${remedy}`;
    if (said !== this.told) this.reporter.notice(said);
    this.told = said;
    if (remedy !== undefined) return;
    this.faulty = 0;
    await process.stop({ timeoutMs: END_MS_MAX });
  }
}
