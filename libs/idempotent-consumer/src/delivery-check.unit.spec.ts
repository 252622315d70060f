import { describe, expect, it } from '@jest/globals';
import { DeliveryCheck, type Doubt, historyDoubt } from './delivery-check.js';
import type { ConsumerState } from './delivery-source.js';

interface Given {
  readonly seq: number;
  readonly deliveryCount: number;
  readonly publishedAt: Date;
}

const given = (seq: number, deliveryCount = 1, history = 0): Given => ({
  seq,
  deliveryCount,
  publishedAt: new Date(history + seq),
});

/** A check of a session that begins at a sequence. The leader has the messages of history 0. */
function checked(deliveredSeq: number, stream: { readonly gone?: number; readonly lastSeq?: number } = {}) {
  const trusted: number[] = [];
  const doubts: { readonly doubt: Doubt; readonly waiting: readonly number[] }[] = [];
  const { gone, lastSeq = 100 } = stream;
  const leader = {
    publishedMs: (seq: number) => Promise.resolve(seq === gone || seq > lastSeq ? undefined : seq),
    lastSeq: () => Promise.resolve(lastSeq),
  };
  const check = new DeliveryCheck<Given>({ deliveredSeq, leader: 'nats-2' }, leader, {
    onTrusted: ({ seq }) => trusted.push(seq),
    onDoubt: (doubt, waiting) => doubts.push({ doubt, waiting: waiting.map(({ seq }) => seq) }),
  });
  return { check, trusted, doubts };
}

const answered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the check of a session', () => {
  it('hands deliveries on in order, once the first one is known to be of the stream', async () => {
    const { check, trusted, doubts } = checked(7);
    check.take(given(8));
    check.take(given(9));
    expect(trusted).toEqual([]);
    await answered();
    check.take(given(10));
    check.take(given(3, 2));
    expect([trusted, doubts]).toEqual([[8, 9, 10, 3], []]);
  });

  it('trusts a first delivery that has left the stream', async () => {
    const { check, trusted } = checked(7, { gone: 8 });
    check.take(given(8));
    await answered();
    expect(trusted).toEqual([8]);
  });

  it.each([
    ['another message', given(8, 1, 5_000), 100],
    ['a message that the stream has not reached', given(8), 7],
  ])('hands no delivery on when the first one is %s', async (_what, first, lastSeq) => {
    const { check, trusted, doubts } = checked(7, { lastSeq });
    check.take(first);
    check.take(given(9));
    await answered();
    expect(trusted).toEqual([]);
    expect(doubts).toEqual([
      { doubt: { reason: expect.stringContaining('broker nats-2'), isSplit: true }, waiting: [8, 9] },
    ]);
  });

  it('doubts when a later delivery is of another history', async () => {
    const { check, doubts } = checked(7);
    check.take(given(8));
    await answered();
    await check.askAboutNewest();
    check.take(given(9, 1, 5_000));
    expect(doubts).toEqual([]);
    await check.askAboutNewest();
    expect(doubts).toMatchObject([{ doubt: { isSplit: true }, waiting: [] }]);
  });

  it('doubts when a sequence is delivered for the first time although the consumer had come further', async () => {
    const { check, trusted, doubts } = checked(10);
    check.take(given(8));
    await answered();
    expect(trusted).toEqual([]);
    expect(doubts).toMatchObject([{ doubt: { isSplit: false }, waiting: [8] }]);
  });
});

describe('two inspections of a consumer', () => {
  const consumer: ConsumerState = {
    stream: {
      ...{ name: 'EVENTS', identity: 'x', firstSeq: 1, lastSeq: 10, leader: 'nats-1' },
      ...{ subjects: ['events.>'], metadata: {} },
    },
    created: 'then',
    pending: 0,
    ackPending: 0,
    deliveryCount: 10,
    deliveredSeq: 10,
    ackFloorSeq: 10,
    ackWaitMs: 1,
    leader: 'nats-2',
  };

  it.each<[string, ConsumerState, RegExp]>([
    [
      'the same history',
      { ...consumer, stream: { ...consumer.stream, lastSeq: 20 }, deliveredSeq: 15 },
      /^no doubt$/,
    ],
    ['a new consumer', { ...consumer, created: 'later' }, /consumer was created again/],
    [
      'a new stream',
      { ...consumer, stream: { ...consumer.stream, identity: 'y' } },
      /stream was created again/,
    ],
    [
      'a stream that ends earlier',
      { ...consumer, stream: { ...consumer.stream, lastSeq: 9 } },
      /ends at 9, and ended at 10/,
    ],
    [
      'a consumer ahead of its stream',
      { ...consumer, deliveredSeq: 11 },
      /at 11, ahead of the stream, which ends at 10/,
    ],
  ])('show %s', (_what, now, expected) => {
    expect(historyDoubt(consumer, now) ?? 'no doubt').toMatch(expected);
  });
});
