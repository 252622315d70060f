import { describe, expect, it } from '@jest/globals';
import { accountFor, type SentFigures, type SystemChange } from './account.js';

const sent: SentFigures = {
  events: 100,
  repeats: 30,
  accepted: 130,
  duplicates: 28,
  resends: 0,
  refused: 0,
  missing: 0,
};
const change: SystemChange = {
  stored: 100,
  duplicatesAtBroker: 28,
  duplicatesAtStore: 2,
  conflicts: 0,
  deadLetters: 0,
  inFlight: 0,
};

describe('the account of a simulation', () => {
  it('is exact when every event is stored and every repeat dropped', () => {
    expect(accountFor(sent, change, 'http', false)).toEqual({
      exact: true,
      problems: [],
      duplicates: 30,
      duplicatesMax: 30,
    });
  });

  it('includes over NATS the duplicates that the brokers reported to the producer', () => {
    expect(accountFor(sent, { ...change, duplicatesAtBroker: 0 }, 'nats', false).exact).toBe(true);
    expect(accountFor(sent, { ...change, duplicatesAtBroker: 0 }, 'http', false).exact).toBe(false);
  });

  it('does not let one lost and one stored twice cancel out', () => {
    expect(
      accountFor(sent, { ...change, stored: 101, duplicatesAtStore: 1 }, 'http', false).problems,
    ).toHaveLength(2);
    expect(
      accountFor(sent, { ...change, stored: 99, duplicatesAtStore: 3 }, 'http', false).problems,
    ).toHaveLength(2);
  });

  it('allows one more duplicate for each send that was repeated without an answer, and not two', () => {
    const resent = { ...sent, resends: 1 };
    expect(accountFor(resent, { ...change, duplicatesAtStore: 3 }, 'http', false).exact).toBe(true);
    expect(accountFor(resent, { ...change, duplicatesAtStore: 4 }, 'http', false).exact).toBe(false);
    expect(accountFor(resent, { ...change, duplicatesAtStore: 1 }, 'http', false).exact).toBe(false);
  });

  it.each([
    ['missing', { ...sent, missing: 1 }, change],
    ['refused', { ...sent, refused: 1 }, change],
    ['in flight', sent, { ...change, inFlight: 1 }],
    ['conflicts', sent, { ...change, conflicts: 1 }],
    ['dead letters', sent, { ...change, deadLetters: 1 }],
  ])('names what is %s', (_name, figures, changed) => {
    expect(accountFor(figures, changed, 'http', false).problems).toHaveLength(1);
  });

  it('says when another producer must have been sending', () => {
    const { problems } = accountFor(sent, { ...change, stored: 120 }, 'http', false);
    expect(problems.some((problem) => problem.includes('another producer'))).toBe(true);
  });

  it('knows only the sum when the run may have been there before', () => {
    const again = { ...change, stored: 0, duplicatesAtBroker: 0, duplicatesAtStore: 130 };
    expect(accountFor(sent, again, 'http', true).exact).toBe(true);
    expect(accountFor(sent, { ...again, duplicatesAtStore: 129 }, 'http', true).exact).toBe(false);
    expect(accountFor(sent, again, 'http', false).exact).toBe(false);
  });
});
