import { describe, expect, it } from '@jest/globals';
import { planFaults, type PlannedFault, type Schedulable } from './schedule.js';

const FAULTS: readonly Schedulable[] = [
  { name: 'kill-worker', touches: ['worker'], holdMs: [500, 3_000] },
  { name: 'kill-gateway', touches: ['gateway'], holdMs: [500, 3_000] },
  { name: 'kill-broker', touches: ['brokers'], holdMs: [500, 3_000] },
  { name: 'wipe-broker', touches: ['brokers'], holdMs: [1_000, 4_000] },
  { name: 'stop-postgres', touches: ['postgres'], holdMs: [4_000, 10_000] },
  { name: 'read-only-postgres', touches: ['postgres'], holdMs: [3_000, 8_000] },
];
const TEN_MINUTES_MS = 600_000;

function faultOf(planned: PlannedFault): Schedulable {
  return FAULTS.find(({ name }) => name === planned.name) as Schedulable;
}

function endOf(planned: PlannedFault): number {
  return planned.startAtMs + planned.holdMs;
}

describe('planFaults', () => {
  const seeds = Array.from({ length: 50 }, (_, index) => index);

  it('draws the same plan from the same seed, and another from another', () => {
    const draw = (seed: number) => planFaults({ seed, faults: FAULTS, durationMs: TEN_MINUTES_MS });
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('never lets two faults hold at once that touch the same part, nor more than two at all', () => {
    for (const seed of seeds) {
      const plan = planFaults({ seed, faults: FAULTS, durationMs: TEN_MINUTES_MS });
      for (const one of plan) {
        const together = plan.filter(
          (other) => other.startAtMs <= one.startAtMs && endOf(other) > one.startAtMs,
        );
        expect(together.length).toBeLessThanOrEqual(2);
        const touched = together.flatMap((other) => faultOf(other).touches);
        expect(new Set(touched).size).toBe(touched.length);
      }
    }
  });

  it('lets two faults hold at once when they can', () => {
    const plan = planFaults({ seed: 1, faults: FAULTS, durationMs: TEN_MINUTES_MS });
    const overlapping = plan.filter((one, index) => {
      const next = plan[index + 1];
      return next !== undefined && next.startAtMs < endOf(one);
    });
    expect(overlapping.length).toBeGreaterThan(0);
  });

  it('draws every fault once before it draws any again', () => {
    for (const seed of seeds) {
      const plan = planFaults({ seed, faults: FAULTS, durationMs: TEN_MINUTES_MS });
      const counts = FAULTS.map(({ name }) => plan.filter((planned) => planned.name === name).length);
      expect(Math.min(...counts)).toBeGreaterThan(3);
      // The last round is not complete, and a lane may have drawn ahead of the other.
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
    }
  });

  it('has healed every fault before the end', () => {
    for (const seed of seeds) {
      const plan = planFaults({ seed, faults: FAULTS, durationMs: 60_000 });
      expect(Math.max(...plan.map(endOf))).toBeLessThan(60_000);
    }
  });

  it('holds each fault within its range, in the order of starts', () => {
    const plan = planFaults({ seed: 3, faults: FAULTS, durationMs: TEN_MINUTES_MS });
    for (const planned of plan) {
      const [min, max] = faultOf(planned).holdMs;
      expect(planned.holdMs).toBeGreaterThanOrEqual(min);
      expect(planned.holdMs).toBeLessThanOrEqual(max);
    }
    const starts = plan.map(({ startAtMs }) => startAtMs);
    expect(starts).toEqual([...starts].sort((one, other) => one - other));
  });

  it('keeps to one lane on request, or when all faults touch the same part', () => {
    const [, , kill, wipe] = FAULTS as [Schedulable, Schedulable, Schedulable, Schedulable];
    const plans = [
      planFaults({ seed: 5, faults: FAULTS, durationMs: TEN_MINUTES_MS, lanes: 1 }),
      planFaults({ seed: 5, faults: [kill, wipe], durationMs: TEN_MINUTES_MS }),
    ];
    for (const plan of plans) {
      expect(plan.length).toBeGreaterThan(10);
      plan.slice(1).forEach((planned, index) => {
        expect(planned.startAtMs).toBeGreaterThan(endOf(plan[index] as PlannedFault));
      });
    }
  });

  it('is empty without faults, and without time', () => {
    expect(planFaults({ seed: 1, faults: [], durationMs: TEN_MINUTES_MS })).toEqual([]);
    expect(planFaults({ seed: 1, faults: FAULTS, durationMs: 3_000 })).toEqual([]);
  });
});
