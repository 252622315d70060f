import { describe, expect, it } from '@jest/globals';
import type { PublishOutcome } from '#broker';
import { LogBatches, type ValidEvent } from './log-batches.js';
import { LogReport } from './log-report.js';

const valid = (eventId: string, chars = 1): ValidEvent => ({
  valid: true,
  topic: 't',
  eventId,
  body: 'x'.repeat(chars),
});

/** A publisher whose batches are answered one by one. */
class HeldPublisher {
  readonly batches: { readonly events: readonly ValidEvent[]; answer: (outcome: PublishOutcome) => void }[] =
    [];
  readonly report = new LogReport();
  readonly sent = new LogBatches(this.report, {
    enforce: (events) => Promise.resolve(events),
    publish: (events) =>
      new Promise((resolve) => {
        this.batches.push({ events, answer: (outcome) => resolve(events.map(() => outcome)) });
      }),
  });

  /** The sizes of the batches so far, after everything that can go on has gone on. */
  async sizes(): Promise<number[]> {
    await new Promise(setImmediate);
    return this.batches.map(({ events }) => events.length);
  }
}

const ACCEPTED: PublishOutcome = { status: 'accepted', seq: 1 };
const UNAVAILABLE: PublishOutcome = { status: 'unavailable', reason: 'no_answer', retryable: true };

async function addAll(held: HeldPublisher, events: readonly ValidEvent[]): Promise<void> {
  for (const event of events) await held.sent.add(event);
  await held.sent.end();
}

describe('the batches of a request', () => {
  const many = Array.from({ length: 3_500 }, (_, n) => valid(String(n)));

  it('are published two at a time', async () => {
    const held = new HeldPublisher();
    const all = addAll(held, many);
    while ((await held.sizes()).length < 2);
    for (let n = 0; n < 50; n += 1) expect(await held.sizes()).toEqual([1_000, 1_000]);
    for (let n = 0; n < 4; n += 1) {
      while ((await held.sizes()).length <= n);
      held.batches[n]?.answer(ACCEPTED);
    }
    await all;
    expect(await held.sizes()).toEqual([1_000, 1_000, 1_000, 500]);
    expect(held.report).toMatchObject({ records: 3_500, rejected: 0 });
  });

  it('end with the first one that the brokers do not take', async () => {
    const held = new HeldPublisher();
    const all = addAll(held, many);
    while ((await held.sizes()).length < 2);
    for (const { answer } of held.batches) answer(UNAVAILABLE);
    await all;
    expect(await held.sizes()).toEqual([1_000, 1_000]);
    expect([...held.report.reasons]).toEqual(['no_answer']);
  });

  it('are bounded in characters', async () => {
    const held = new HeldPublisher();
    const all = addAll(held, [valid('a', 3_000_000), valid('b', 2_000_000), valid('c')]);
    while ((await held.sizes()).length < 2);
    expect(await held.sizes()).toEqual([2, 1]);
    for (const { answer } of held.batches) answer(ACCEPTED);
    await all;
  });
});
