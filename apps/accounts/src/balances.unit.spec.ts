/** The handler without servers: what it makes of payments, and what it never gets. */
import { describe, expect, it } from '@jest/globals';
import { BatchContext } from '#idempotent-consumer';
import { type Effect, TestConsumer } from '#idempotent-consumer/testing';
import { Balances, BALANCES, Payment, PAYMENTS } from './balances.js';

function consumer(): TestConsumer<Payment> {
  const balances = new Balances();
  const effect: Effect<Payment> = {
    apply: (fresh, transaction) => balances.apply([...fresh], new BatchContext(BALANCES, transaction)),
  };
  return new TestConsumer<Payment>(effect, { schema: Payment, subjects: PAYMENTS });
}

const paid = (id: string, event: unknown): { id: string; event: unknown; subject: string } => ({
  id,
  event,
  subject: 'payments.card',
});

describe('the balances', () => {
  it('get every payment once, those of a batch in one statement', async () => {
    const test = consumer();
    const first = paid('p1', { account: 'a', amount: 5 });
    await test.deliver(first, paid('p2', { account: 'b', amount: -2 }), first);
    await test.deliver(first);
    await test.redeliver('p2');
    expect(test.statements.map(({ values }) => values)).toEqual([
      [
        ['a', 'b'],
        [5, -2],
      ],
    ]);
    expect(test.deadLetters).toEqual([]);
  });

  it.each([
    ['an amount that is a text', { account: 'a', amount: '5' }, /^amount: /],
    ['a part of the smallest unit', { account: 'a', amount: 0.5 }, /^amount: /],
    ['an amount that a number cannot hold', { account: 'a', amount: 2 ** 53 }, /^amount: /],
    ['no account', { amount: 5 }, /^account: /],
    ['an account without a name', { account: '', amount: 5 }, /^account: /],
    ['a list', [5], /^\(event\): /],
  ])('never get %s: it is a dead letter that names what is wrong', async (_what, payload, detail) => {
    const test = consumer();
    await test.deliver(paid('p1', payload), paid('p2', { account: 'a', amount: 1 }));
    expect(test.deadLetters).toEqual([
      { id: 'p1', reason: 'schema_mismatch', detail: expect.stringMatching(detail) as unknown },
    ]);
    expect(test.statements).toHaveLength(1);
  });
});
