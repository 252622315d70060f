import { describe, expect, it } from '@jest/globals';
import { ClaimStrategyChoice } from './claim-strategy.js';

/** Counts batches until another strategy is chosen, at most `max`. */
function batchesUntilChange(choice: ClaimStrategyChoice, hadRepeats: boolean, max = 1_000): number {
  const { current: strategy } = choice;
  for (let batches = 0; batches < max; batches++) {
    if (choice.current !== strategy) return batches;
    choice.wasAccepted(strategy, () => hadRepeats);
  }
  return max;
}

describe('the claim strategy of an inbox', () => {
  it('goes one step further at each refusal, and one step back after 64 batches without one', () => {
    const choice = new ClaimStrategyChoice();
    const strategies = [choice.current];
    for (let refusals = 0; refusals < 4; refusals++) {
      choice.wasRefused(choice.current);
      strategies.push(choice.current);
    }
    expect(strategies).toEqual(['plain', 'lookup', 'defer', 'wait', 'wait']);
    const back = [1, 2, 3].map(() => [batchesUntilChange(choice, false), choice.current]);
    expect(back).toEqual([
      [64, 'defer'],
      [64, 'lookup'],
      [64, 'plain'],
    ]);
    expect(batchesUntilChange(choice, false)).toBe(1_000);
  });

  it('counts batches that were refused together as one refusal', () => {
    const choice = new ClaimStrategyChoice();
    const { current: strategy } = choice;
    choice.wasRefused(strategy);
    choice.wasRefused(strategy);
    expect(choice.current).toBe('lookup');
  });

  it('stays at lookup while batches have repeats', () => {
    const choice = new ClaimStrategyChoice();
    choice.wasRefused('plain');
    expect(batchesUntilChange(choice, true)).toBe(1_000);
    expect(batchesUntilChange(choice, false)).toBe(64);
  });
});
