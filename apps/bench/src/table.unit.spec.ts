import { describe, expect, it } from '@jest/globals';
import type { Group } from './measurement.js';
import { resultText, verdictsOf } from './table.js';

const us = (program: number) => ({ program, brokers: 10, postgres: 5 });
const drain: Group = {
  name: 'drain',
  what: 'drain a backlog',
  series: [
    {
      role: 'ours',
      subject: 'sekali worker',
      unit: 'events/s',
      values: [900, 1_000, 1_100],
      processorUs: [us(20), us(24), us(22)],
    },
    { role: 'ceiling', subject: 'baseline loop', unit: 'events/s', values: [1_250, 1_250, 1_250] },
  ],
  targets: [
    { against: 'ceiling', atLeast: 0.85 },
    { against: 'typical', atLeast: 6 },
  ],
  bounds: [
    { what: 'p99', unit: 'ms', found: 81.26, atMost: 150 },
    { what: 'peak', unit: 'MB', found: 251, atMost: 250 },
  ],
  notes: ['One sentence.'],
};

describe('the result table of the benchmark', () => {
  it('has medians, spreads and ratios, and the cost of each subject', () => {
    const text = resultText([drain]);
    expect(text).toMatch(
      /drain a backlog +│ 1,000 events\/s ±10 % │ 1,250 events\/s ±0 % │ +0\.80 │ +– │ +– │/,
    );
    expect(text).toMatch(/drain a backlog +│ sekali worker │ +22\.0 │ +10\.0 │ +5\.00 │ +37\.0 │/);
    expect(text).toContain('drain: One sentence.');
  });

  it('says of each target and bound whether it is reached', () => {
    expect(verdictsOf(drain)).toStrictEqual([
      '≥ 0.85 × ceiling: MISSED',
      '≥ 6 × typical: not measured',
      'p99: 81.3 of at most 150 ms: reached',
      'peak: 251 of at most 250 MB: MISSED',
    ]);
    expect(
      verdictsOf({ ...drain, targets: [{ against: 'ceiling', atMost: 1.25 }], bounds: [] }),
    ).toStrictEqual(['≤ 1.25 × ceiling: reached']);
  });

  it('says that a difference below 0 reaches its upper bound, and misses a lower one', () => {
    const above = { what: 'median above the parts', unit: 'ms', found: -1.5 } as const;
    const bounds = [
      { ...above, atMost: 15 },
      { ...above, atLeast: 0 },
    ];
    expect(verdictsOf({ ...drain, targets: [], bounds })).toStrictEqual([
      'median above the parts: -1.50 of at most 15 ms: reached',
      'median above the parts: -1.50 of at least 0 ms: MISSED',
    ]);
  });

  it('has no second table without processor time', () => {
    const series = drain.series.slice(1);
    expect(resultText([{ ...drain, series }])).not.toContain('processor time');
  });
});
