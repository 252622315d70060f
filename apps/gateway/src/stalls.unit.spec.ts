import { describe, expect, it } from '@jest/globals';
import { Stalls } from './stalls.js';

/** Stalls on a clock that the test moves. */
class Clock {
  private nowMs = 0;
  readonly stalls = new Stalls(() => this.nowMs);

  /** Time in which the process ran. */
  runs(ticks: number): void {
    for (let n = 0; n < ticks; n++) this.passes(100);
  }

  /** Time without a tick, and a tick at its end. */
  passes(ms: number): void {
    this.nowMs += ms;
    this.stalls.tick();
  }

  /** Time without a tick. */
  stops(ms: number): void {
    this.nowMs += ms;
  }
}

describe('stalls', () => {
  it('are none while ticks come in time, or nearly so', () => {
    const clock = new Clock();
    clock.runs(50);
    clock.passes(190);
    clock.runs(5);
    expect(clock.stalls.duringLast(10_000)).toBe(0);
  });

  it('are known at once, before the next tick', () => {
    const clock = new Clock();
    clock.runs(10);
    clock.stops(5_100);
    expect(clock.stalls.duringLast(1_000)).toBe(5_000);
  });

  it('count as long as what began before them has run for no longer than was asked for', () => {
    const clock = new Clock();
    clock.passes(5_100);
    clock.runs(4);
    clock.passes(3_100);
    clock.runs(5);
    expect(clock.stalls.duringLast(1_000)).toBe(8_000);
    clock.runs(3);
    expect(clock.stalls.duringLast(1_000)).toBe(3_000);
    clock.runs(4);
    expect(clock.stalls.duringLast(1_000)).toBe(0);
  });
});
