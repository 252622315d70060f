import { describe, expect, it } from '@jest/globals';
import { type Group, interleave, median, ratio, reaches, seriesOf, spread } from './measurement.js';

const group = (ours: number[], ceiling: number[]): Group => ({
  name: 'drain',
  what: 'drain',
  series: [
    { role: 'ours', subject: 'worker', unit: 'events/s', values: ours },
    { role: 'ceiling', subject: 'baseline loop', unit: 'events/s', values: ceiling },
  ],
  targets: [],
});

describe('the figures of the benchmark', () => {
  it('have as median the middle value, or the mean of the two in the middle', () => {
    expect([median([3, 100, 1]), median([4, 1, 2, 100]), median([])]).toStrictEqual([3, 3, Number.NaN]);
  });

  it('have as spread the distance between the rounds, as a share', () => {
    expect(spread([9, 10, 12])).toBeCloseTo(0.3);
  });

  it('have a ratio of medians, which is undefined without the other subject', () => {
    const both = group([8, 9, 1], [10, 100, 1]);
    expect(ratio(both, 'ceiling')).toBeCloseTo(0.8);
    expect(ratio(both, 'typical')).toBeUndefined();
  });

  it('reach a target from its bound on', () => {
    const both = group([8], [10]);
    expect(reaches(both, { against: 'ceiling', atLeast: 0.8 })).toBe(true);
    expect(reaches(both, { against: 'ceiling', atLeast: 0.81 })).toBe(false);
    expect(reaches(both, { against: 'ceiling', atMost: 0.79 })).toBe(false);
    expect(reaches(both, { against: 'typical', atLeast: 1 })).toBeUndefined();
    expect(reaches(group([], [10]), { against: 'ceiling', atLeast: 1 })).toBeUndefined();
  });
});

describe('interleave', () => {
  it('alternates the rounds of the subjects and leaves the warm-up out', async () => {
    const order: string[] = [];
    let round = 0;
    const subject = (name: string) => ({
      name,
      measure: () => {
        order.push(name);
        return Promise.resolve((round += 1));
      },
    });
    const [a, b] = [subject('a'), subject('b')];
    const rounds: number[] = [];
    const values = await interleave([a, b], { warmUps: 1, rounds: 2 }, (_, round) => rounds.push(round));
    expect(order.join('')).toBe('ababab');
    expect(rounds).toStrictEqual([0, 0, 1, 1, 2, 2]);
    expect([values.get(a), values.get(b)]).toStrictEqual([
      [3, 5],
      [4, 6],
    ]);
  });
});

describe('seriesOf', () => {
  it('keeps processor time where there is some', () => {
    const about = { role: 'ours', subject: 'worker', unit: 'events/s' } as const;
    const processorUs = { program: 1, postgres: 2, brokers: 3 };
    expect(seriesOf(about, [{ value: 5, processorUs }])).toStrictEqual({
      ...about,
      values: [5],
      processorUs: [processorUs],
    });
    expect(seriesOf(about, [{ value: 5 }])).toStrictEqual({ ...about, values: [5] });
  });
});
