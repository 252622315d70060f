/**
 * Starts again what dies.
 *
 *   running ─exit─▶ waiting (250 ms, doubling to 10 s) ─▶ starting ─ready─▶ running
 *                      ▲                                     └─exit─┐
 *                      └────────────────────────────────────────────┘
 *
 * A process that lived for 30 s starts the waiting times afresh. After `close` nothing is started any more.
 */
import { setTimeout as rest } from 'node:timers/promises';
import type { ManagedProcess, ProcessExit } from '#local-cluster';
import type { Reporter } from './reporter.js';

const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 10_000;
const STEADY_AFTER_MS = 30_000;

/** Something that can be kept running. */
export interface Component {
  readonly name: string;
  readonly process: ManagedProcess;
  spawn(): Promise<unknown>;
  /** Resolves when the running process works; throws when it ends or takes too long. */
  untilReady(options: { signal?: AbortSignal }): Promise<void>;
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
    let startedAt = performance.now();
    let delayMs: number | undefined;
    const onExit = (exit: ProcessExit) => {
      delayMs = nextDelayMs(delayMs, performance.now() - startedAt);
      this.reporter.exited(component.name, exit, delayMs);
      this.later(delayMs, () => {
        startedAt = performance.now();
        void this.startAgain(component);
      });
    };
    this.unwatch.push(component.process.onExit(onExit));
  }

  /** Lets everything be: no exit is noticed and nothing is started from here on. */
  close(): void {
    this.closing.abort();
    for (const stop of this.unwatch) stop();
    for (const timer of this.timers) clearTimeout(timer);
  }

  private async startAgain(component: Component): Promise<void> {
    const { signal } = this.closing;
    const pid = await component.spawn().then(
      () => component.process.pid,
      () => undefined,
    );
    // An end is reported, and followed by the next start, where it is noticed; a slow start is waited for.
    const stillStarting = (): boolean => component.process.pid === pid && !signal.aborted;
    while (pid !== undefined && stillStarting()) {
      try {
        await component.untilReady({ signal });
        this.reporter.restarted(component.name, pid);
        return;
      } catch (error) {
        if (stillStarting()) this.reporter.notice((error as Error).message);
        await rest(DELAY_MS_MIN, undefined, { signal }).catch(() => undefined);
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
