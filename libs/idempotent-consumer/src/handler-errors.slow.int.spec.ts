/**
 * A mistake of a handler harms its own event: that becomes a dead letter with the error, and its neighbours
 * are stored.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { HandlerFixture } from './test/handler-fixture.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept SELECT unnest($1::text[])';

async function keep(fresh: readonly Message<string>[], transaction: Transaction): Promise<void> {
  await transaction.query(KEEP, [fresh.map(({ eventId }) => eventId)]);
}

type Mistake = (transaction: Transaction) => Promise<unknown>;

async function longerThan(ms: number): Promise<void> {
  const sinceMs = performance.now();
  await waitFor(() => performance.now() - sinceMs > ms, { timeoutMs: ms + 30_000, describe: `${ms} ms` });
}

const BOUND_MS = 800;
/**
 * Settings of a pool's connections. The bound on transactions is longer, so that the error shows which bound
 * was met.
 */
const bounded = {
  options: `-c statement_timeout=${BOUND_MS} -c idle_in_transaction_session_timeout=${BOUND_MS} -c transaction_timeout=10000`,
};

interface Case {
  readonly name: string;
  readonly mistake: Mistake;
  readonly reason: string;
  readonly detail: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'pauses for longer than the bound on idle transactions',
    mistake: () => longerThan(2 * BOUND_MS),
    reason: 'too_slow',
    detail: /25P03.*raise the bound/s,
  },
  {
    name: 'swallows the error of a statement',
    mistake: (transaction) => transaction.query('SELECT 1 / 0').catch(() => undefined),
    reason: 'effect_failed',
    detail: /swallowed the error.*22012: division by zero/s,
  },
  {
    name: 'misspells a table',
    mistake: (transaction) => transaction.query('INSERT INTO public.kpt VALUES (1)'),
    reason: 'effect_failed',
    detail: /42P01: relation "public.kpt" does not exist/,
  },
  {
    name: 'sends a statement that takes too long',
    mistake: (transaction) => transaction.query('SELECT pg_sleep(20)'),
    reason: 'too_slow',
    detail: /57014.*raise the bound/s,
  },
];

describe('a handler', () => {
  it.each(cases)(
    'that $name for every event turns each into a dead letter with the error',
    async ({ mistake, reason, detail }) => {
      await fixture.start(
        async (_fresh, transaction) => {
          await mistake(transaction);
        },
        { pool: bounded },
      );
      await fixture.send('a', 'b');
      const letters = await fixture.settled(0, 2);
      expect(letters.map(({ event_id: id }) => id).sort()).toEqual(['a', 'b']);
      expect(letters[0]).toMatchObject({ reason, detail: expect.stringMatching(detail) });
      expect(fixture.hasObserved('outage-began')).toBe(false);
      expect(fixture.hasObserved('defect-began')).toBe(false);
    },
  );

  it.each(cases)(
    'that $name for one event has its neighbours stored and continues',
    async ({ mistake, reason, detail }) => {
      await fixture.start(
        async (fresh, transaction) => {
          if (fresh.some(({ eventId }) => eventId === 'bad')) await mistake(transaction);
          await keep(fresh, transaction);
        },
        { pool: bounded },
      );
      await fixture.send('a', 'bad', 'b');
      const letters = await fixture.settled(2, 1);
      expect(letters).toMatchObject([{ event_id: 'bad', reason, detail: expect.stringMatching(detail) }]);
      await fixture.send('c');
      await fixture.settled(3, 1);
      expect(await fixture.kept()).toEqual(['a', 'b', 'c']);
    },
  );

  it('with a statement that exceeds the timeout of the client turns its event into a dead letter, since Postgres answers others', async () => {
    await fixture.start(
      (_fresh, transaction) => transaction.query('SELECT pg_sleep(20)').then(() => undefined),
      {
        pool: { query_timeout: 2_500 },
      },
    );
    await fixture.send('a');
    expect(await fixture.settled(0, 1)).toMatchObject([
      {
        event_id: 'a',
        reason: 'too_slow',
        detail: expect.stringMatching(/^Query read timeout;.*raise the bound/),
      },
    ]);
    expect(fixture.hasObserved('outage-began')).toBe(false);
  });

  it('whose writes are refused at the commit turns its event into a dead letter with the error', async () => {
    await fixture.system.pool.query(
      'ALTER TABLE public.kept ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED',
    );
    await fixture.start(async (fresh, transaction) => {
      await keep(fresh, transaction);
      if (fresh.some(({ eventId }) => eventId === 'twice')) await keep(fresh, transaction);
    });
    await fixture.send('a', 'twice', 'b');
    expect(await fixture.settled(2, 1)).toMatchObject([
      { event_id: 'twice', reason: 'effect_failed', detail: expect.stringMatching(/^23505: .*"once"/) },
    ]);
    expect(await fixture.kept()).toEqual(['a', 'b']);
  });

  it('that throws an error like that of an outage is not waited for', async () => {
    await fixture.start(() =>
      Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })),
    );
    await fixture.send('a');
    expect(await fixture.settled(0, 1)).toMatchObject([
      { event_id: 'a', reason: 'effect_failed', detail: 'ECONNREFUSED: connect ECONNREFUSED' },
    ]);
    expect(fixture.hasObserved('outage-began')).toBe(false);
  });

  it('whose connection is lost while it runs meets an outage, whatever it throws, and no attempt is counted', async () => {
    let deaths = 0;
    await fixture.start(async (fresh, transaction) => {
      if (deaths < 4) {
        deaths += 1;
        const { rows } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await fixture.system.pool.query('SELECT pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
        throw new TypeError('cannot read a row that did not come');
      }
      await keep(fresh, transaction);
    });
    await fixture.send('a');
    await fixture.settled(1, 0);
    expect(await fixture.deadLetters()).toEqual([]);
    expect(fixture.hasObserved('outage-began')).toBe(true);
    expect(fixture.hasObserved('failed')).toBe(false);
  });
});
