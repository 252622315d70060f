/**
 * The change of generation keeps every promise, in whatever order its steps happen. The model also finds what
 * goes wrong when a protection is missing, so it is able to find it.
 */
import { describe, expect, it } from '@jest/globals';
import { exploreScenario } from '../test/generation-model.js';
import type { ModelDelivery, Sabotage, Scenario } from '../test/generation-state.js';

const FIRST: ModelDelivery = { id: 'x', seq: 1 };
const REPEAT: ModelDelivery = { id: 'x', seq: 2 };
const OTHER: ModelDelivery = { id: 'y', seq: 3 };
const RENAMED: ModelDelivery = { id: 'x', seq: 1, idLater: 'z' };

const scenario = (change: Partial<Scenario> = {}): Scenario => ({
  workers: [[[FIRST]], [[REPEAT, OTHER]]],
  changes: 1,
  deaths: 1,
  ...change,
});

describe('each interleaving of two workers and a change of generation', () => {
  it.each<[string, Scenario]>([
    ['a repeat and a new id, with one death', scenario()],
    ['two changes', scenario({ changes: 2, deaths: 0 })],
    [
      'both workers have the same message',
      scenario({ workers: [[[FIRST], [REPEAT]], [[FIRST, OTHER]]], deaths: 0 }),
    ],
    ['a message has another id after a restart', scenario({ workers: [[[RENAMED]], [[REPEAT]]] })],
  ])('stores each identity once and gives each message one outcome: %s', (_, given) => {
    const { fault, trace, ends, states } = exploreScenario(given);
    expect({ fault, trace }).toEqual({ fault: undefined, trace: [] });
    expect(ends).toBeGreaterThan(50);
    expect(states).toBeGreaterThan(5_000);
  });
});

describe('the model finds', () => {
  const TWICE = 'an identity is stored twice';
  it.each<[Sabotage, string]>([
    ['no trigger', TWICE],
    ['no wait for transactions', TWICE],
    ['closed generations are not read again', TWICE],
    ['look-up before the transaction', TWICE],
    ['filter built before the close', TWICE],
    ['filter forgets', TWICE],
    ['unknown generation counts as free of the id', TWICE],
    ['parent locked against readers', 'work waits for ever'],
  ])('%s: %s', (sabotage, expected) => {
    const { fault, trace } = exploreScenario(scenario({ workers: [[[FIRST]], [[REPEAT]]], sabotage }));
    expect(fault).toBe(expected);
    expect(trace.length).toBeGreaterThan(0);
  });

  it('no look-up by sequence: a message that was decoded in another way takes effect twice', () => {
    const workers = [[[RENAMED]], [[REPEAT]]];
    const { fault } = exploreScenario(scenario({ workers, sabotage: 'no look-up by sequence' }));
    expect(fault).toBe('a message took effect twice');
  });
});
