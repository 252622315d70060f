/**
 * A consumer without servers, to test a handler, its retries and its poison.
 *
 *   const consumer = new TestConsumer<Payment>((payment, context) => balances.apply(payment, context));
 *   await consumer.deliver({ id: 'p-1', event: { account: 'a', amount: 5 } });
 *   expect(consumer.statements).toEqual([{ text: 'UPDATE …', values: ['a', 5] }]);
 *
 * What decides is the library's own; only the broker and Postgres are in memory. Time is the consumer's: a delay passes as soon
 * as nothing else is left to do. Statements are written down and answered by `answer`; whether they are right for Postgres is a
 * question for Postgres.
 */
import { createHash } from 'node:crypto';
import { BatchProcessor } from '../batch-processor.js';
import type { Decoder, Delivery, PoisonMessage } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import { InboxContext } from '../nest/inbox-context.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent, Outcome } from '../outcome.js';
import { type ReadingOptions, readingOf } from '../reading.js';
import { settle } from '../settlement.js';
import { MemoryInbox } from './memory-inbox.js';
import type { Answer, TestStatement } from './memory-transaction.js';

/** What is delivered. */
export interface TestEvent {
  readonly id: string;
  /** It reaches the handler as JSON makes it: a `Date` becomes text. */
  readonly event: unknown;
  /** `events.test` when left out. */
  readonly subject?: string;
}

/** What a test may say of its consumer; everything has a default. */
export interface TestConsumerOptions extends ReadingOptions {
  /** What the handler is called in errors; `test` when left out. */
  readonly name?: string;
  /** Attempts before an event becomes a dead letter; 3 when left out. */
  readonly attemptsMax?: number;
  /** How long one call of the handler may take; 1,000 when left out. This time is real. */
  readonly handlerMsMax?: number;
  /** Answers the handler's statements; with no rows when left out. What it throws is an error of the database. */
  readonly answer?: Answer;
}

/** A handler of one event, as a method with `@OncePerEvent` is one. */
export type TestHandler<E> = (event: E, context: InboxContext) => unknown;

interface Entry {
  readonly seq: number;
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly publishedAt: Date;
  deliveries: number;
  /** When it is to be delivered; `undefined` when it is settled. */
  dueMs: number | undefined;
}

const STREAM_ID = 1;
const RETRY_DELAY_MS = 1_000;
const ID_HEADER = 'Nats-Msg-Id';
/** Deliveries of one event, after which the test fails: it does not end. */
const DELIVERIES_MAX = 1_000;

/** A durable consumer, its inbox and its handler. See the head of this file. */
export class TestConsumer<E = unknown> {
  /** Everything that an observer of the consumer would have heard, in order. */
  readonly observed: ConsumerEvent[] = [];
  /** How long each delivery that came again had waited, in order. */
  readonly delaysMs: number[] = [];
  private readonly inbox: MemoryInbox<E>;
  private readonly processor: BatchProcessor<E>;
  private readonly entries: Entry[] = [];
  private nowMs = 0;

  /** @param handler a function of one event, or an effect as `Inbox` takes it */
  constructor(handler: TestHandler<E> | Effect<E> | EventEffect<E>, options: TestConsumerOptions = {}) {
    const { name = 'test', attemptsMax = 3, handlerMsMax = 1_000, answer } = options;
    const observe = (event: ConsumerEvent): void => void this.observed.push(event);
    const gate = new OutageGate(observe);
    const onLate = (error: unknown): void => observe({ type: 'late-statement', error });
    const effect = typeof handler === 'function' ? effectOf(name, handler) : handler;
    this.inbox = new MemoryInbox(effect, { name, handlerMsMax, onLate, stopping: gate.stopped }, answer);
    const settings = { attemptsMax, retryDelayMs: RETRY_DELAY_MS, handlerMsMax };
    this.processor = new BatchProcessor(
      this.inbox,
      readingOf(decode as Decoder<E>, options),
      gate,
      settings,
      observe,
    );
  }

  /** Statements of the handler that were committed, in order. */
  get statements(): readonly TestStatement[] {
    return this.inbox.committed;
  }

  /** Events that were given up, in order, with the reason. */
  get deadLetters(): readonly { readonly id: string; readonly reason: string; readonly detail: string }[] {
    return this.inbox.deadLetters.map((poison) => ({
      id: this.idOf(poison),
      reason: poison.reason,
      detail: poison.detail,
    }));
  }

  /**
   * Delivers events together, and goes on until each is settled: what is to come later comes at once.
   *
   * @returns what became of each, in the order given
   * @throws when an event does not come to an end, as one whose handler always throws `RetryLater`
   */
  async deliver(...events: readonly TestEvent[]): Promise<Outcome[]> {
    return this.settle(events.map((event) => this.publish(event)));
  }

  /**
   * Delivers an event again that was settled, as when a process died between the commit and its ack.
   *
   * @returns what became of it, mostly `settled`
   */
  async redeliver(id: string): Promise<Outcome[]> {
    const again = this.entries.filter((entry) => entry.id === id);
    if (again.length === 0) throw new Error(`"${id}" was never delivered`);
    for (const entry of again) entry.dueMs = this.nowMs;
    return this.settle(again);
  }

  private publish({ id, event, subject = 'events.test' }: TestEvent): Entry {
    const seq = this.entries.length + 1;
    const data = new TextEncoder().encode(JSON.stringify(event));
    const publishedAt = new Date(this.nowMs + seq);
    const entry: Entry = { seq, subject, id, data, publishedAt, deliveries: 0, dueMs: this.nowMs };
    this.entries.push(entry);
    return entry;
  }

  private async settle(entries: readonly Entry[]): Promise<Outcome[]> {
    const ends = new Map<number, Outcome>();
    for (;;) {
      const waiting = entries.filter(({ dueMs }) => dueMs !== undefined);
      if (waiting.length === 0) return entries.map(({ seq }) => ends.get(seq) ?? { kind: 'ignored' });
      this.nowMs = Math.max(this.nowMs, Math.min(...waiting.map(({ dueMs = Infinity }) => dueMs)));
      const due = waiting.filter(({ dueMs = Infinity }) => dueMs <= this.nowMs);
      for (const [seq, outcome] of await this.round(due)) ends.set(seq, outcome);
    }
  }

  private async round(due: readonly Entry[]): Promise<ReadonlyMap<number, Outcome>> {
    const deliveries = due.map((entry) => this.deliveryOf(entry));
    const outcomes = await this.processor.process(STREAM_ID, deliveries);
    for (const delivery of deliveries) {
      const outcome = outcomes.get(delivery.seq);
      if (outcome !== undefined && outcome.kind !== 'postponed') settle(delivery, outcome);
    }
    return outcomes;
  }

  private deliveryOf(entry: Entry): Delivery {
    const { seq, subject, id, data, publishedAt } = entry;
    if (++entry.deliveries > DELIVERIES_MAX)
      throw new Error(`"${id}" was delivered ${DELIVERIES_MAX} times and is not settled`);
    const end = (): void => void (entry.dueMs = undefined);
    return {
      ...{ seq, subject, data, publishedAt, deliveryCount: entry.deliveries },
      header: (name) => (name === ID_HEADER ? id : undefined),
      headersText: () => JSON.stringify({ [ID_HEADER]: [id] }),
      ack: end,
      term: end,
      nak: (delayMs) => {
        this.delaysMs.push(delayMs);
        entry.dueMs = this.nowMs + delayMs;
      },
      working: () => undefined,
    };
  }

  private idOf({ delivery }: PoisonMessage): string {
    return this.entries[delivery.seq - 1]?.id ?? '';
  }
}

function effectOf<E>(name: string, handler: TestHandler<E>): EventEffect<E> {
  return {
    applyOne: async (message, transaction) => {
      await handler(message.event, new InboxContext(name, transaction, message));
    },
  };
}

const decode: Decoder<unknown> = (delivery) => {
  const { subject: topic, data } = delivery;
  const eventId = delivery.header(ID_HEADER) ?? '';
  const digest = createHash('sha256').update(data).digest().readBigInt64BE();
  return {
    ok: true,
    message: { delivery, topic, eventId, digest, event: JSON.parse(Buffer.from(data).toString()) as unknown },
  };
};
