import type { Server } from 'node:http';

const TICK_MS = 100;
/** The oldest stalls are forgotten first. Each took at least a tick. */
const STALLS_MAX = 4_096;

interface Stall {
  readonly endedAtMs: number;
  readonly ms: number;
}

/** Remembers when this process did not run: the machine was busy, paused it, or it worked on one thing for long. */
export class Stalls {
  private readonly stalls: Stall[] = [];
  private tickedAtMs: number;

  constructor(private readonly nowMs: () => number = () => performance.now()) {
    this.tickedAtMs = nowMs();
  }

  /** Has to be called every `TICK_MS`; a later call notes a stall. */
  tick(): void {
    const nowMs = this.nowMs();
    const lateMs = nowMs - this.tickedAtMs - TICK_MS;
    this.tickedAtMs = nowMs;
    if (lateMs < TICK_MS) return;
    this.stalls.push({ endedAtMs: nowMs, ms: lateMs });
    if (this.stalls.length > STALLS_MAX) this.stalls.shift();
  }

  /** How long the process stalled during the last `ms` in which it ran. */
  duringLast(ms: number): number {
    this.tick();
    let stalledMs = 0;
    for (const stall of this.stalls.toReversed()) {
      if (stall.endedAtMs < this.tickedAtMs - ms - stalledMs) break;
      stalledMs += stall.ms;
    }
    return stalledMs;
  }
}

/**
 * Extends a server's time-outs of requests by the stalls of this process.
 *
 * Node decides which requests are late before it reads what arrived during a stall. Without this it would answer 408 to
 * clients that sent everything in time.
 */
export function forgiveStalls(server: Server): void {
  const stalls = new Stalls();
  const ticking = setInterval(() => {
    stalls.tick();
  }, TICK_MS).unref();
  server.once('close', () => {
    clearInterval(ticking);
  });
  for (const name of ['headersTimeout', 'requestTimeout'] as const) {
    const ms = server[name];
    // Node reads it at each check.
    Object.defineProperty(server, name, { get: () => ms + Math.ceil(stalls.duringLast(ms)) });
  }
}
