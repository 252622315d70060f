/**
 * The properties of answers.int.spec.ts with many more requests.
 *
 * They are the same in each run, so that a red one is about the change. Another seed draws others.
 */
import { beforeAll, describe, it } from '@jest/globals';
import fc from 'fast-check';
import { othersAreAnswered, permittedIsCarriedOut } from '../test/described/described-properties.js';
import { DescribedSystem } from '../test/described/described-system.js';

const RUNS = 2_000;
const SEED = 20_261_128;
const TIME_MS_MAX = 300_000;

let system: DescribedSystem;

beforeAll(async () => {
  system = await DescribedSystem.start();
});

describe('many requests', () => {
  it(
    'that the description permits are carried out',
    async () => {
      await fc.assert(permittedIsCarriedOut(system), { numRuns: RUNS, seed: SEED });
    },
    TIME_MS_MAX,
  );

  it(
    'that it does not permit are answered as described',
    async () => {
      await fc.assert(othersAreAnswered(system), { numRuns: RUNS, seed: SEED });
    },
    TIME_MS_MAX,
  );
});
