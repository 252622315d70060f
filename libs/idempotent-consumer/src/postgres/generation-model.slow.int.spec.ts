/** The largest scenario of the model: two changes of generation, and one death. */
import { expect, it } from '@jest/globals';
import { exploreScenario } from '../test/generation-model.js';

it('each interleaving of two workers, two changes of generation and a death keeps the promises', () => {
  const workers = [
    [[{ id: 'x', seq: 1 }]],
    [
      [
        { id: 'x', seq: 2 },
        { id: 'y', seq: 3 },
      ],
    ],
  ];
  const { fault, trace, states } = exploreScenario({ workers, changes: 2, deaths: 1 });
  expect({ fault, trace }).toEqual({ fault: undefined, trace: [] });
  expect(states).toBeGreaterThan(100_000);
});
