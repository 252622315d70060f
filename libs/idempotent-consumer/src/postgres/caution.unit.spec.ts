import { describe, expect, it } from '@jest/globals';
import { Caution } from './caution.js';

/** Batches until another way is chosen, at most `max`. */
function batchesUntilChange(caution: Caution, hadRepeats: boolean, max = 1_000): number {
  const { way } = caution;
  for (let batches = 0; batches < max; batches++) {
    if (caution.way !== way) return batches;
    caution.wasEnough(way, () => hadRepeats);
  }
  return max;
}

describe('the caution of an inbox', () => {
  it('goes a way further at each refusal, and back after 64 batches for which it was enough', () => {
    const caution = new Caution();
    const ways = [caution.way];
    for (let refusals = 0; refusals < 4; refusals++) {
      caution.wasNotEnough(caution.way);
      ways.push(caution.way);
    }
    expect(ways).toEqual(['plain', 'looking', 'apart', 'waiting', 'waiting']);
    const back = [1, 2, 3].map(() => [batchesUntilChange(caution, false), caution.way]);
    expect(back).toEqual([
      [64, 'apart'],
      [64, 'looking'],
      [64, 'plain'],
    ]);
    expect(batchesUntilChange(caution, false)).toBe(1_000);
  });

  it('takes batches that were refused together for one refusal', () => {
    const caution = new Caution();
    const { way } = caution;
    caution.wasNotEnough(way);
    caution.wasNotEnough(way);
    expect(caution.way).toBe('looking');
  });

  it('goes on looking while there is something to find', () => {
    const caution = new Caution();
    caution.wasNotEnough('plain');
    expect(batchesUntilChange(caution, true)).toBe(1_000);
    expect(batchesUntilChange(caution, false)).toBe(64);
  });
});
