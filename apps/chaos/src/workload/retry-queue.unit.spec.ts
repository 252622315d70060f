import { describe, expect, it } from '@jest/globals';
import type { Message } from './message.js';
import { Random } from './random.js';
import { RetryQueue } from './retry-queue.js';

const LATER_MS = 10_000;
const message = (eventId: string, members: Partial<Message> = {}): Message => ({
  topic: 't',
  eventId,
  variant: 0,
  ...members,
});
const queue = (retriesMax = 3): RetryQueue => new RetryQueue(new Random(1), retriesMax);
const ids = (trials: readonly { readonly message: Message }[]): string[] =>
  trials.map((trial) => trial.message.eventId);

describe('messages to be sent again', () => {
  it('wait a while, then each goes out once, over HTTP or NATS', () => {
    const retries = queue();
    const sent = Array.from({ length: 50 }, (_, n) => String(n));
    for (const id of sent) retries.add({ message: message(id), retries: 0 }, 'nats', 0);
    expect(retries.take('http_batch', 100, 100)).toEqual([]);
    const overHttp = retries.take('http_batch', 100, LATER_MS);
    const overNats = retries.take('nats', 100, LATER_MS);
    expect(overHttp.length).toBeGreaterThan(5);
    expect(overNats.length).toBeGreaterThan(5);
    expect([...ids(overHttp), ...ids(overNats)].sort()).toEqual(sent.sort());
    expect(retries).toHaveLength(0);
  });

  it('keep their payload, and are given up after the last try', () => {
    const retries = queue(2);
    let trial = { message: message('a', { variant: 2, poison: 'nul' }), retries: 0 };
    for (let turn = 0; turn < 2; turn++) {
      expect(retries.add(trial, 'nats', 0)).toBe(true);
      trial = retries.take('nats', 1, LATER_MS)[0] as typeof trial;
      expect(trial.message.variant).toBe(2);
    }
    expect(retries.add(trial, 'nats', 0)).toBe(false);
    expect(retries).toHaveLength(0);
  });

  it('leave poison on its way, and alone', () => {
    const retries = queue();
    for (let n = 0; n < 20; n++) {
      const sent = n % 5 === 0 ? message(`p${n}`, { poison: 'not_json' }) : message(String(n));
      retries.add({ message: sent, retries: 0 }, 'http_batch', 0);
    }
    const overNats = retries.take('nats', 100, LATER_MS);
    expect(overNats.some((trial) => trial.message.poison !== undefined)).toBe(false);
    const takes: string[][] = [];
    while (retries.length > 0) takes.push(ids(retries.take('http_batch', 100, LATER_MS)));
    expect(takes.filter((taken) => taken.some((id) => id.startsWith('p')))).toEqual([
      ['p0'],
      ['p5'],
      ['p10'],
      ['p15'],
    ]);
  });

  it('go only through doors where they are poison', () => {
    const retries = queue();
    for (const [id, poison] of [
      ['field', 'missing_field'],
      ['nul', 'nul'],
    ] as const)
      retries.add({ message: message(id, { poison }), retries: 0 }, 'cloudevents', 0);
    // A document without a source is a valid one.
    expect(retries.take('bulk', 100, LATER_MS)).toEqual([]);
    expect(ids(retries.take('http', 1, LATER_MS))).toEqual(['field']);
    expect(ids(retries.take('bulk', 100, LATER_MS))).toEqual(['nul']);
  });

  it('are crowded from some number on', () => {
    const retries = queue();
    for (let n = 0; n < 4_999; n++) retries.add({ message: message(String(n)), retries: 0 }, 'http', 0);
    expect(retries.isCrowded).toBe(false);
    retries.add({ message: message('last'), retries: 0 }, 'http', 0);
    expect(retries.isCrowded).toBe(true);
  });
});
