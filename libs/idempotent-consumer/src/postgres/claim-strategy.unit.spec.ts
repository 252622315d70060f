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
    for (let refusals = 0; refusals < 5; refusals++) {
      choice.wasRefused(choice.current);
      strategies.push(choice.current);
    }
    // The first refusal of `defer` may be due to a batch that began before.
    expect(strategies).toEqual(['plain', 'lookup', 'defer', 'defer', 'wait', 'wait']);
    const back = [1, 2, 3].map(() => [batchesUntilChange(choice, false), choice.current]);
    expect(back).toEqual([
      [64, 'defer'],
      [64, 'lookup'],
      [64, 'plain'],
    ]);
    expect(batchesUntilChange(choice, false)).toBe(1_000);
  });

  it('is kept for twice as many batches whenever the one before it was tried in vain, up to 1,024', () => {
    const choice = new ClaimStrategyChoice();
    choice.wasRefused('plain');
    choice.wasRefused('lookup');
    const kept = [1, 2, 3, 4, 5, 6].map(() => {
      const batches = batchesUntilChange(choice, true, 2_000);
      // Two batches run together, and both are refused.
      choice.wasRefused('lookup');
      choice.wasRefused('lookup');
      return batches;
    });
    expect(kept).toEqual([64, 128, 256, 512, 1_024, 1_024]);
  });

  it('is kept for 64 batches again after the one before it was enough for as many', () => {
    const choice = new ClaimStrategyChoice();
    choice.wasRefused('plain');
    choice.wasRefused('lookup');
    batchesUntilChange(choice, true);
    choice.wasRefused('lookup');
    expect(batchesUntilChange(choice, true)).toBe(128);
    for (let batches = 0; batches < 64; batches++) choice.wasAccepted('lookup', () => true);
    choice.wasRefused('lookup');
    expect([choice.current, batchesUntilChange(choice, true)]).toEqual(['defer', 64]);
  });

  it('goes on at once from a strategy that decided a batch before', () => {
    const choice = new ClaimStrategyChoice();
    choice.wasRefused('plain');
    choice.wasRefused('lookup');
    choice.wasAccepted('defer', () => true);
    choice.wasRefused('defer');
    expect(choice.current).toBe('wait');
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
