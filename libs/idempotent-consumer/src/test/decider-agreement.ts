/** The inbox in Postgres and its in-memory twin decide alike, whatever is delivered. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { createTestSystem, type TestSystem } from '#testing';
import type { Batch } from '../batch-inbox.js';
import type { Message } from '../delivery.js';
import { MemoryInbox } from '../memory/memory-inbox.js';
import type { Outcome } from '../outcome.js';
import { createInbox } from '../postgres/create-inbox.js';
import { changeKeyGeneration } from '../postgres/generation-change.js';
import { Inbox } from '../postgres/inbox.js';
import { deliveryOf, messageOf } from './decider-conformance.js';

const SEQUENCES = 12;

/** One delivery. */
interface Delivered {
  readonly seq: number;
  readonly isGivenUp: boolean;
  /** Whether the sequence has the message of another history, which was published at another time. */
  readonly isOfAnother: boolean;
}

/** One batch. Before it, the keys may begin another generation, of which the twin in memory knows nothing. */
interface Turn {
  readonly batch: readonly Delivered[];
  readonly changes: boolean;
}

/** The messages of both histories, one after the other. */
const BODIES = fc.array(fc.constantFrom('a', 'b', 'c', 'a/x', 'b/x', 'd'), {
  minLength: 2 * SEQUENCES,
  maxLength: 2 * SEQUENCES,
});
const DELIVERED: fc.Arbitrary<Delivered> = fc.record({
  seq: fc.integer({ min: 1, max: SEQUENCES }),
  isGivenUp: fc.boolean(),
  isOfAnother: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
const TURNS: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    batch: fc.uniqueArray(DELIVERED, { minLength: 1, maxLength: 6, selector: ({ seq }) => seq }),
    changes: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  }),
  { minLength: 1, maxLength: 8 },
);

/** `foreign` stands for the error that proves another history. */
type Verdict = ReadonlyMap<number, Outcome> | 'foreign';

function verdictOf(deciding: Promise<Map<number, Outcome>>): Promise<Verdict> {
  return deciding.catch((error: unknown) => {
    if ((error as Error).name !== 'ForeignSequenceError') throw error;
    return 'foreign';
  });
}

function batchOf(bodies: readonly string[], delivered: readonly Delivered[]): Batch<string> {
  const read = delivered.map(({ seq, isGivenUp, isOfAnother }) => {
    const publishedAt = new Date((isOfAnother ? 1_000_000 : 0) + seq);
    const body = bodies[seq - 1 + (isOfAnother ? SEQUENCES : 0)] ?? '';
    return { message: messageOf(deliveryOf(seq, body, { publishedAt })) as Message<string>, isGivenUp };
  });
  return {
    messages: read.filter((of) => !of.isGivenUp).map(({ message }) => message),
    poison: read
      .filter((of) => of.isGivenUp)
      .map(({ message: { delivery, topic } }) => ({ delivery, topic, reason: 'bad', detail: '' })),
  };
}

/** Has two workers on Postgres take turns, and compares each verdict with that of the twin. */
async function compare(
  pool: Pool,
  consumer: string,
  bodies: readonly string[],
  turns: readonly Turn[],
): Promise<void> {
  const tables = await createInbox(pool, { consumer });
  const effect = { apply: () => Promise.resolve() };
  const twin = new MemoryInbox<string>(effect);
  const workers = [1, 2].map(() => new Inbox<string>(pool, tables, effect));
  let generation = 0;
  for (const [at, { batch, changes }] of turns.entries()) {
    if (changes) generation = (await changeKeyGeneration(pool, tables, generation)) ?? generation;
    const decided = batchOf(bodies, batch);
    const verdict = await verdictOf(twin.process(1, decided));
    // The worker that did not decide on the last batch may have missed a change.
    const worker = workers[at % 2] as Inbox<string>;
    expect(await verdictOf(worker.process(1, decided))).toEqual(verdict);
  }
}

/**
 * Defines the test.
 *
 * @param numRuns how many random histories of deliveries both decide on
 */
export function deciderAgreement(numRuns: number): void {
  describe('the inbox in Postgres and the inbox in memory', () => {
    let system: TestSystem;
    let consumers = 0;
    beforeAll(async () => {
      system = await createTestSystem({ replicas: 1 });
    });
    afterAll(async () => {
      await system.dispose();
    });

    it('decide alike, however deliveries are repeated, batched and spread over generations of keys', async () => {
      const property = fc.asyncProperty(BODIES, TURNS, (bodies, turns) =>
        compare(system.pool, `both${++consumers}`, bodies, turns),
      );
      await fc.assert(property, { numRuns });
    }, 300_000);
  });
}
