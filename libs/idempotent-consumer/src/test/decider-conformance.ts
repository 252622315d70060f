/** The contract of an inbox and its decider, as tests for each implementation. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BatchProcessor } from '../batch-processor.js';
import type { BatchInbox } from '../batch-inbox.js';
import type { Decider } from '../decider.js';
import type { Decoder, Delivery, Message } from '../delivery.js';
import type { Effect, EventEffect, Transaction } from '../effect.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent, Outcome } from '../outcome.js';
import { ForeignSequenceError } from '../postgres/foreign-sequence.js';
import type { HandlerSettings } from '../postgres/handler-session.js';
import { Poison, RetryLater } from '../verdict.js';

/** One implementation. */
export interface Implementation {
  /** Returns an inbox without any deliveries. */
  inboxFor(
    effect: Effect<string> | EventEffect<string>,
    handler: HandlerSettings,
  ): Promise<BatchInbox<string>>;
  /** Returns the ids that `keep` wrote in that inbox, sorted. */
  kept(): Promise<string[]>;
  dispose(): Promise<void>;
}

/** The statement by which handlers keep an id, and one that every implementation refuses. */
export const KEEP = 'INSERT INTO public.kept VALUES ($1)';
export const REFUSED = 'SELECT 1 / 0';

const EPOCH_MS = Date.parse('2026-11-22T10:00:00Z');
const ATTEMPTS_MAX = 3;
const STREAM_ID = 1;

/** A delivery of the tests. Its body is `id/content`, and its digest follows from the content. */
export function deliveryOf(seq: number, body: string, changes: Partial<Delivery> = {}): Delivery {
  const nothing = (): undefined => undefined;
  return {
    ...{ seq, subject: 's.t', data: Buffer.from(body), deliveryCount: 1 },
    publishedAt: new Date(EPOCH_MS + seq),
    ...{
      header: nothing,
      headersText: nothing,
      headerBytes: nothing,
      ack: nothing,
      nak: nothing,
      term: nothing,
      working: nothing,
    },
    ...changes,
  };
}

/** Reads such a delivery. A body without an id is poison. */
export function messageOf(delivery: Delivery): Message<string> | undefined {
  const [id = '', content = ''] = Buffer.from(delivery.data).toString().split('/');
  if (id === '') return undefined;
  return { delivery, topic: 't', eventId: id, digest: BigInt(content.length), event: id };
}

async function keep(event: string, transaction: Transaction): Promise<void> {
  await transaction.query(KEEP, [event]);
}

/** An implementation, and the actions of a case. */
class Fixture {
  inbox!: BatchInbox<string>;
  decider!: Decider;
  private observed: ConsumerEvent[] = [];

  constructor(readonly on: Implementation) {}

  /** Begins with an empty inbox. The default handler keeps the id of its event. */
  async begin(
    applyOne: EventEffect<string>['applyOne'] = ({ event }, transaction) => keep(event, transaction),
    handlerMsMax = 10_000,
  ): Promise<void> {
    this.observed = [];
    const observe = (event: ConsumerEvent): void => void this.observed.push(event);
    const onLate = (error: unknown): void => observe({ type: 'late-statement', error });
    this.inbox = await this.on.inboxFor({ applyOne }, { name: 'keeper', handlerMsMax, onLate });
    const settings = { attemptsMax: ATTEMPTS_MAX, retryDelayMs: 1_000 };
    this.decider = new BatchProcessor(this.inbox, read, new OutageGate(observe), settings, observe);
  }

  /** Delivers messages together. @returns their outcomes, in the order given */
  async decide(...bodies: readonly (readonly [seq: number, body: string])[]): Promise<Outcome[]> {
    const deliveries = bodies.map(([seq, body]) => deliveryOf(seq, body));
    const outcomes = await this.decider.process(STREAM_ID, deliveries);
    return bodies.map(([seq]) => outcomes.get(seq) ?? { kind: 'ignored' });
  }

  deadLetters(): string[] {
    return this.observed.flatMap((event) =>
      event.type === 'dead-letter' ? [`${event.seq} ${event.reason}: ${event.detail}`] : [],
    );
  }

  hasObserved(type: ConsumerEvent['type']): boolean {
    return this.observed.some((event) => event.type === type);
  }
}

/** The cases, by what an implementation does. */
const CASES: Readonly<Record<string, (fixture: Fixture) => Promise<void>>> = {
  'stores the first message of an id, counts its repeats, and recognizes redeliveries': async (fixture) => {
    await fixture.begin();
    const batch = [
      [1, 'a'],
      [2, 'a'],
      [3, 'a/other'],
      [4, 'b'],
      [5, ''],
    ] as const;
    expect(await fixture.decide(...batch)).toEqual([
      { kind: 'stored' },
      { kind: 'duplicate', conflict: false },
      { kind: 'duplicate', conflict: true },
      { kind: 'stored' },
      { kind: 'dead-letter', reason: 'no_id' },
    ]);
    expect((await fixture.decide(...batch)).map(({ kind }) => kind)).toEqual(
      Array(5).fill('already-processed'),
    );
    expect(await fixture.decide([6, 'b'], [7, 'c'])).toEqual([
      { kind: 'duplicate', conflict: false },
      { kind: 'stored' },
    ]);
    expect(await fixture.on.kept()).toEqual(['a', 'b', 'c']);
  },
  'turns a message that fails into a dead letter after its attempts, and stores its neighbours': async (
    fixture,
  ) => {
    await fixture.begin(async ({ event }, transaction) => {
      await keep(event, transaction);
      if (event === 'bad') throw new Error('a bug');
    });
    expect(await fixture.decide([1, 'a'], [2, 'bad'], [3, 'b'])).toMatchObject([
      { kind: 'stored' },
      { kind: 'retry' },
      { kind: 'stored' },
    ]);
    expect(await fixture.decide([2, 'bad'])).toMatchObject([{ kind: 'retry' }]);
    expect(await fixture.decide([2, 'bad'])).toEqual([{ kind: 'dead-letter', reason: 'effect_failed' }]);
    expect(fixture.deadLetters()).toEqual(['2 effect_failed: a bug']);
    expect(await fixture.decide([2, 'bad'])).toEqual([{ kind: 'already-processed' }]);
    expect(await fixture.on.kept()).toEqual(['a', 'b']);
  },
  'stores an id whose first message became a dead letter, when another message brings it': async (
    fixture,
  ) => {
    let fails = true;
    await fixture.begin(async ({ event }, transaction) => {
      if (fails) throw new Poison('not_yet', 'it was too early');
      await keep(event, transaction);
    });
    expect(await fixture.decide([1, 'a'])).toEqual([{ kind: 'dead-letter', reason: 'not_yet' }]);
    expect(fixture.deadLetters()).toEqual(['1 not_yet: it was too early']);
    fails = false;
    expect(await fixture.decide([1, 'a'], [2, 'a'])).toEqual([
      { kind: 'already-processed' },
      { kind: 'stored' },
    ]);
    expect(await fixture.on.kept()).toEqual(['a']);
  },
  'has an event come again after exactly the delay of RetryLater, and counts no attempt': async (fixture) => {
    await fixture.begin(() => Promise.reject(new RetryLater(4_321)));
    for (let n = 0; n <= ATTEMPTS_MAX; n++)
      expect(await fixture.decide([1, 'a'])).toEqual([{ kind: 'retry', delayMs: 4_321 }]);
  },
  'abandons a handler that does not return, and names its time limit': async (fixture) => {
    await fixture.begin(() => new Promise(() => undefined), 100);
    for (let n = 1; n < ATTEMPTS_MAX; n++)
      expect(await fixture.decide([1, 'a'])).toMatchObject([{ kind: 'retry' }]);
    expect(await fixture.decide([1, 'a'])).toEqual([{ kind: 'dead-letter', reason: 'too_slow' }]);
    expect(fixture.deadLetters()[0]).toContain('handler "keeper" did not return within 100 ms');
  },
  'keeps nothing of a handler that swallowed an error of a statement, and reports that': async (fixture) => {
    await fixture.begin(async ({ event }, transaction) => {
      await keep(event, transaction);
      await transaction.query(REFUSED).catch(() => undefined);
    });
    for (let n = 0; n < ATTEMPTS_MAX; n++) await fixture.decide([1, 'a']);
    expect(fixture.deadLetters()[0]).toMatch(
      /^1 effect_failed: a statement of handler "keeper" failed, and .* swallowed the error/,
    );
    expect(await fixture.on.kept()).toEqual([]);
  },
  'does not execute a statement that comes after the end of its call': async (fixture) => {
    let late = Promise.resolve();
    await fixture.begin(async ({ event }, transaction) => {
      await keep(event, transaction);
      const after = new Promise((resolve) => setImmediate(resolve));
      late = after
        .then(() => keep('late', transaction))
        .then(
          () => undefined,
          () => undefined,
        );
    });
    expect(await fixture.decide([1, 'a'])).toEqual([{ kind: 'stored' }]);
    await late;
    expect(fixture.hasObserved('late-statement')).toBe(true);
    expect(await fixture.on.kept()).toEqual(['a']);
  },
  'refuses a sequence that it knows as another message': async (fixture) => {
    await fixture.begin();
    await fixture.decide([1, 'a'], [2, 'a'], [3, '']);
    const otherwise = { publishedAt: new Date(EPOCH_MS - 1) };
    for (const [seq, body] of [
      [1, 'z'],
      [1, 'a'],
      [2, 'a'],
      [3, ''],
    ] as const)
      await expect(fixture.decider.process(STREAM_ID, [deliveryOf(seq, body, otherwise)])).rejects.toThrow(
        ForeignSequenceError,
      );
    expect(await fixture.on.kept()).toEqual(['a']);
  },
  'turns a message that repeatedly ended the process into a dead letter, and clears its attempts': async (
    fixture,
  ) => {
    await fixture.begin();
    for (let n = 0; n < ATTEMPTS_MAX; n++) await fixture.inbox.startAttempt(STREAM_ID, 1);
    const outcomes = await fixture.decider.processSuspect(
      STREAM_ID,
      deliveryOf(1, 'a', { deliveryCount: 9 }),
    );
    expect(outcomes).toEqual(new Map([[1, { kind: 'dead-letter', reason: 'process_ended' }]]));
    expect(await fixture.inbox.startAttempt(STREAM_ID, 1)).toEqual({ started: 1, finished: 0 });
  },
  'counts attempts that began and ended, and withdraws the start of one': async (fixture) => {
    await fixture.begin();
    expect(await fixture.inbox.startAttempt(STREAM_ID, 1)).toEqual({ started: 1, finished: 0 });
    expect(await fixture.inbox.failAttempt(STREAM_ID, 1, 'because')).toBe(1);
    expect(await fixture.inbox.startAttempt(STREAM_ID, 1)).toEqual({ started: 2, finished: 1 });
    await fixture.inbox.withdrawAttempt(STREAM_ID, 1);
    expect(await fixture.inbox.startAttempt(STREAM_ID, 1)).toEqual({ started: 2, finished: 1 });
    expect(await fixture.inbox.failAttempt(STREAM_ID, 2, 'without a start')).toBe(1);
  },
  'knows the messages whose work never ended': async (fixture) => {
    await fixture.begin();
    const { inbox } = fixture;
    expect(await inbox.watch(STREAM_ID, [1, 2])).toEqual(new Set([1, 2]));
    await inbox.endWatch(STREAM_ID, [1]);
    expect(await inbox.watch(STREAM_ID, [1, 2, 3])).toEqual(new Set([1, 3]));
    // A message that failed alone is known, too, and keeps its count.
    expect(await inbox.failAttempt(STREAM_ID, 3, 'because')).toBe(1);
    await inbox.endWatch(STREAM_ID, [3]);
    expect(await inbox.watch(STREAM_ID, [3])).toEqual(new Set());
    // A withdrawn attempt leaves no more than the note of `watch`.
    await inbox.startAttempt(STREAM_ID, 4);
    await inbox.withdrawAttempt(STREAM_ID, 4);
    expect(await inbox.watch(STREAM_ID, [4])).toEqual(new Set([4]));
  },
  'leaves nothing of a rehearsal': async (fixture) => {
    await fixture.begin();
    await fixture.decide([1, 'a']);
    const message = messageOf(deliveryOf(1, 'a'));
    if (message) await fixture.inbox.rehearse(STREAM_ID, message);
    expect(await fixture.on.kept()).toEqual(['a']);
  },
};

/** Checks an implementation against the contract of `Decider` and `BatchInbox`. */
export function deciderConformance(name: string, open: () => Promise<Implementation>): void {
  describe(name, () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = new Fixture(await open());
    });
    afterAll(async () => {
      await fixture.on.dispose();
    });

    it.each(Object.entries(CASES))('%s', async (_name, run) => {
      await run(fixture);
    });
  });
}

function read(delivery: Delivery): ReturnType<Decoder<string>> {
  const message = messageOf(delivery);
  if (message) return { ok: true, message };
  return { ok: false, poison: { delivery, topic: 't', reason: 'no_id', detail: 'it has no id' } };
}
