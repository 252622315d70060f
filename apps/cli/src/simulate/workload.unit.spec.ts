import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { workload, type WorkloadSpecification } from './workload.js';

const specification: WorkloadSpecification = {
  events: 200,
  repeats: 60,
  topics: 5,
  topicPrefix: 'simulated',
  source: 'test',
  run: 'run',
  seed: 7,
  startMs: Date.parse('2026-01-01T00:00:00Z'),
  pastWindow: false,
};

const make = (changes: Partial<WorkloadSpecification> = {}) => [
  ...workload({ ...specification, ...changes }),
];

describe('the workload of a simulation', () => {
  it('has exactly the requested events and repeats, each repeat after its first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(90), fc.nat(), (events, repeats, seed) => {
        const sends = make({ events, repeats, seed });
        const numbers = sends.map((event) => Number(event.payload['number']));
        expect(sends).toHaveLength(events + repeats);
        expect(new Set(sends.map((event) => event.event_id)).size).toBe(events);
        // First sends come in the order of their number, so a send that is not a new highest is a repeat.
        let highest = -1;
        for (const number of numbers) {
          expect(number).toBeLessThanOrEqual(highest + 1);
          highest = Math.max(highest, number);
        }
      }),
    );
  });

  it('repeats an event to the last character', () => {
    const seen = new Map<string, string>();
    for (const event of make()) {
      const text = JSON.stringify(event);
      expect(seen.get(event.event_id) ?? text).toBe(text);
      seen.set(event.event_id, text);
    }
  });

  it('is the same for the same seed and different for another', () => {
    expect(make()).toEqual(make());
    expect(make()).not.toEqual(make({ seed: 8 }));
  });

  it('spreads events over the topics, and has no id in common with another run', () => {
    expect(new Set(make().map((event) => event.topic)).size).toBe(5);
    expect(make({ topics: 1, topicPrefix: 'payments' })[0]?.topic).toBe('payments.0');
    const other = new Set(make({ run: 'other' }).map((event) => event.event_id));
    expect(make().some((event) => other.has(event.event_id))).toBe(false);
  });

  it('gives each repeat a separate message id when the duplicate window is to have passed', () => {
    const ids = make({ pastWindow: true }).map((event) => `${event.event_id}${event.messageIdSuffix ?? ''}`);
    expect(new Set(ids).size).toBe(260);
  });
});
