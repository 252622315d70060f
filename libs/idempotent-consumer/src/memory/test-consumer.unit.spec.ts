/** What a user can test of a handler without servers. */
import { describe, expect, it } from '@jest/globals';
import type { InboxContext } from '../inbox-context.js';
import { Poison, RetryLater } from '../verdict.js';
import { TestConsumer } from './test-consumer.js';

interface Payment {
  readonly account: string;
  readonly amount: number;
}

const ADD = 'UPDATE account SET balance = balance + $2 WHERE id = $1';

/** A handler to test: it refuses wrong amounts, and waits for accounts that do not exist yet. */
async function apply({ account, amount }: Payment, { transaction }: InboxContext): Promise<void> {
  if (!Number.isSafeInteger(amount)) throw new Poison('invalid_amount', `${amount} is not a whole number`);
  const { rowCount } = await transaction.query(ADD, [account, amount]);
  if (rowCount === 0) throw new RetryLater(5_000);
}

const found = (): readonly object[] => [{}];

it('adds a payment once, and turns an invalid amount into a dead letter', async () => {
  const consumer = new TestConsumer<Payment>(apply, { answer: () => [{ id: 'a' }] });
  const payment = { id: 'p1', event: { account: 'a', amount: 5 } };
  await consumer.deliver(payment, payment, { id: 'p2', event: { account: 'a' } });
  expect(consumer.statements).toEqual([{ text: ADD, values: ['a', 5] }]);
  expect(consumer.deadLetters).toMatchObject([{ id: 'p2', reason: 'invalid_amount' }]);
});

describe('a handler under test', () => {
  it('takes effect once, however often its event is published and delivered', async () => {
    const consumer = new TestConsumer<Payment>(apply, { answer: found });
    const payment = { id: 'p1', event: { account: 'a', amount: 5 } };
    expect(await consumer.deliver(payment, payment)).toEqual([
      { kind: 'stored' },
      { kind: 'duplicate', conflict: false },
    ]);
    expect(await consumer.redeliver('p1')).toEqual([
      { kind: 'already-processed' },
      { kind: 'already-processed' },
    ]);
    expect(await consumer.deliver({ ...payment, event: { account: 'a', amount: 6 } })).toEqual([
      { kind: 'duplicate', conflict: true },
    ]);
    expect(consumer.statements).toEqual([{ text: ADD, values: ['a', 5] }]);
  });

  it('turns poison into a dead letter at once, and its neighbours take effect', async () => {
    const consumer = new TestConsumer<Payment>(apply, { answer: found });
    const outcomes = await consumer.deliver(
      { id: 'p1', event: { account: 'a', amount: 1 } },
      { id: 'p2', event: { account: 'a', amount: 0.5 } },
      { id: 'p3', event: { account: 'a', amount: 3 } },
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'dead-letter', 'stored']);
    expect(consumer.deadLetters).toEqual([
      { id: 'p2', reason: 'invalid_amount', detail: '0.5 is not a whole number' },
    ]);
    expect(consumer.statements.map(({ values }) => values)).toEqual([
      ['a', 1],
      ['a', 3],
    ]);
    expect(consumer.delaysMs).toEqual([]);
  });

  it('is called again after each RetryLater, and no attempt is counted', async () => {
    let misses = 5;
    const consumer = new TestConsumer<Payment>(apply, { answer: () => (misses-- > 0 ? [] : [{}]) });
    expect(await consumer.deliver({ id: 'p1', event: { account: 'a', amount: 5 } })).toEqual([
      { kind: 'stored' },
    ]);
    expect(consumer.delaysMs).toEqual([5_000, 5_000, 5_000, 5_000, 5_000]);
    expect(consumer.statements).toHaveLength(1);
  });

  it('fails the test when its event never ends', async () => {
    const consumer = new TestConsumer<Payment>(apply);
    await expect(consumer.deliver({ id: 'p1', event: { account: 'a', amount: 5 } })).rejects.toThrow(
      '"p1" was delivered 1000 times and is not settled',
    );
  });

  it('is called again with a growing delay, and then its event is a dead letter with the error', async () => {
    const consumer = new TestConsumer<Payment>(
      () => {
        throw new Error('a bug');
      },
      { attemptsMax: 4 },
    );
    await consumer.deliver({ id: 'p1', event: { account: 'a', amount: 5 } });
    expect(consumer.deadLetters).toEqual([{ id: 'p1', reason: 'effect_failed', detail: 'a bug' }]);
    expect(consumer.delaysMs.map((ms) => ms >= 1_000)).toEqual([true, true, true]);
    expect(consumer.delaysMs[2]).toBeGreaterThanOrEqual(4_000);
  });

  it('gets the errors of the database, and nothing remains of a failed attempt', async () => {
    const failures = [new Error('violates a constraint')];
    const answer = (): readonly object[] => {
      const failure = failures.pop();
      if (failure) throw failure;
      return [{}];
    };
    const consumer = new TestConsumer<Payment>(
      async ({ account }, { transaction }) => {
        await transaction.query('INSERT INTO log VALUES ($1)', [account]);
        await transaction.query('INSERT INTO other VALUES ($1)', [account]);
      },
      { answer },
    );
    await consumer.deliver({ id: 'p1', event: { account: 'a' } });
    expect(consumer.observed.filter(({ type }) => type === 'failed')).toHaveLength(1);
    expect(consumer.statements.map(({ text }) => text)).toEqual([
      'INSERT INTO log VALUES ($1)',
      'INSERT INTO other VALUES ($1)',
    ]);
  });

  it.each([
    ['that does not fit its schema', { schema: { parse: refuseAll } }, 'schema_mismatch'],
    ['of another subject', { subjects: 'payments.>' }, 'unmatched'],
  ])('never gets an event %s', async (_what, options, reason) => {
    const consumer = new TestConsumer<Payment>(apply, options);
    await consumer.deliver({ id: 'p1', event: {}, subject: 'orders.x' });
    expect(consumer.deadLetters).toMatchObject([{ id: 'p1', reason }]);
    expect(consumer.statements).toEqual([]);
  });
});

function refuseAll(): never {
  throw new Error('it does not fit');
}
