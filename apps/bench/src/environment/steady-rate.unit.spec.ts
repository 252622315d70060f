import { describe, expect, it } from '@jest/globals';
import { type Sample, steadyProcessorUs, steadyRate } from './steady-rate.js';

const at = (atMs: number, settled: number): Sample => ({ atMs, settled });

describe('steadyRate', () => {
  it('is the number of settled messages over the time they took', () => {
    const samples = Array.from({ length: 11 }, (_, second) => at(second * 1_000, second * 100));
    expect(steadyRate(samples, 1_000)).toBeCloseTo(100);
  });

  it('counts neither the start nor the end', () => {
    const samples = [at(0, 0), at(5_000, 0), at(6_000, 100), at(7_000, 900), at(20_000, 1_000)];
    expect(steadyRate(samples, 1_000)).toBeCloseTo(800);
  });

  it('finds moments between two samples', () => {
    expect(steadyRate([at(0, 0), at(1_000, 500), at(3_000, 1_000)], 1_000)).toBeCloseTo(800 / 2.4);
    expect(steadyRate([at(0, 0), at(500, 1_000)], 1_000)).toBeCloseTo(2_000);
  });

  it('counts only up to the total, even if more was settled', () => {
    expect(steadyRate([at(0, 0), at(1_000, 2_000)], 1_000)).toBeCloseTo(2_000);
  });

  it('has processor time per message in the same part', () => {
    const samples = [0, 500, 1_000].map((settled) => ({
      ...at(settled * 2, settled),
      processorMs: { program: settled * 0.1, postgres: 7 + settled * 0.05, brokers: 9 },
    }));
    const us = steadyProcessorUs(samples, 1_000);
    expect(us?.program).toBeCloseTo(100);
    expect(us?.postgres).toBeCloseTo(50);
    expect(us?.brokers).toBeCloseTo(0);
    expect(steadyProcessorUs([at(0, 0), at(1, 1_000)], 1_000)).toBeUndefined();
  });

  it.each([
    ['that end too early', [at(0, 0), at(1_000, 899)]],
    ['that begin too late', [at(0, 100), at(1_000, 1_000)]],
    ['without any time', [at(0, 0), at(0, 1_000)]],
    ['of nothing', []],
  ])('is an error for samples %s', (_, samples) => {
    expect(() => steadyRate(samples, 1_000)).toThrow(/begin earlier|no rate/);
  });
});
