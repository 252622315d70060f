/** The inbox in Postgres and its in-memory twin keep one contract, and decide alike whatever is delivered. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestSystem, type TestSystem } from '#testing';
import type { Message } from './delivery.js';
import type { Outcome } from './outcome.js';
import { MemoryInbox } from './memory/memory-inbox.js';
import { createInbox } from './postgres/create-inbox.js';
import { changeKeyGeneration } from './postgres/generation-change.js';
import { Inbox } from './postgres/inbox.js';
import {
  deciderConformance,
  deliveryOf,
  type Implementation,
  KEEP,
  messageOf,
  REFUSED,
} from './test/decider-conformance.js';

let consumers = 0;

async function inPostgres(): Promise<Implementation> {
  const system = await createTestSystem({ replicas: 1 });
  await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
  return {
    inboxFor: async (effect, handler) => {
      await system.pool.query('TRUNCATE public.kept');
      const tables = await createInbox(system.pool, { consumer: `c${++consumers}` });
      return new Inbox(system.pool, tables, effect, handler);
    },
    kept: async () => {
      const { rows } = await system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
      return rows.map(({ id }) => id);
    },
    dispose: () => system.dispose(),
  };
}

function inMemory(): Promise<Implementation> {
  let inbox: MemoryInbox<string> | undefined;
  return Promise.resolve({
    inboxFor: (effect, handler) => {
      inbox = new MemoryInbox(effect, handler, ({ text }) => {
        if (text === REFUSED) throw new Error('division by zero');
        return [];
      });
      return Promise.resolve(inbox);
    },
    kept: () => {
      const kept = (inbox?.committed ?? []).filter(({ text }) => text === KEEP);
      return Promise.resolve(kept.map(({ values }) => String(values[0])).sort());
    },
    dispose: () => Promise.resolve(),
  });
}

deciderConformance('the inbox in Postgres', inPostgres);
deciderConformance('the inbox in memory', inMemory);

describe('the inbox in Postgres and the inbox in memory', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await createTestSystem({ replicas: 1 });
  });
  afterAll(async () => {
    await system.dispose();
  });

  /** `foreign` stands for the error that proves another history. */
  type Verdict = ReadonlyMap<number, Outcome> | 'foreign';

  function verdictOf(deciding: Promise<Map<number, Outcome>>): Promise<Verdict> {
    return deciding.catch((error: unknown) => {
      if ((error as Error).name !== 'ForeignSequenceError') throw error;
      return 'foreign';
    });
  }

  it('decide alike, however deliveries are repeated, batched and spread over generations of keys', async () => {
    // Each sequence has one message, and in another history another message with another publishing time.
    const stream = fc.array(fc.constantFrom('a', 'b', 'c', 'a/x', 'b/x', 'd'), {
      minLength: 24,
      maxLength: 24,
    });
    const one = fc.record({
      seq: fc.integer({ min: 1, max: 12 }),
      isGivenUp: fc.boolean(),
      isOfAnother: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    });
    const batch = fc.uniqueArray(one, { minLength: 1, maxLength: 6, selector: ({ seq }) => seq });
    // Before a batch, the keys may begin another generation, of which the twin in memory knows nothing.
    const batches = fc.array(
      fc.record({ batch, changes: fc.integer({ min: 0, max: 3 }).map((n) => n === 0) }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(stream, batches, async (bodies, delivered) => {
        const tables = await createInbox(system.pool, { consumer: `both${++consumers}` });
        const effect = { apply: () => Promise.resolve() };
        const twin = new MemoryInbox<string>(effect);
        const workers = [1, 2].map(() => new Inbox<string>(system.pool, tables, effect));
        let generation = 0;
        for (const [turn, { batch, changes }] of delivered.entries()) {
          if (changes)
            generation = (await changeKeyGeneration(system.pool, tables, generation)) ?? generation;
          const read = batch.map(({ seq, isGivenUp, isOfAnother }) => {
            const publishedAt = new Date((isOfAnother ? 1_000_000 : 0) + seq);
            const message = messageOf(
              deliveryOf(seq, bodies[seq - 1 + (isOfAnother ? 12 : 0)] ?? '', { publishedAt }),
            );
            return { message: message as Message<string>, isGivenUp };
          });
          const messages = read.filter((of) => !of.isGivenUp).map(({ message }) => message);
          const poison = read
            .filter((of) => of.isGivenUp)
            .map(({ message: { delivery, topic } }) => ({ delivery, topic, reason: 'bad', detail: '' }));
          const verdict = await verdictOf(twin.process(1, { messages, poison }));
          // The worker that did not decide on the last batch may have missed a change.
          const real = workers[turn % 2] as Inbox<string>;
          expect(await verdictOf(real.process(1, { messages, poison }))).toEqual(verdict);
        }
      }),
      { numRuns: 150 },
    );
  });
});
