import { createHash } from 'node:crypto';
import { BatchProcessor } from '../batch-processor.js';
import type { Decoder, Delivery, PoisonMessage } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import { InboxContext } from '../inbox-context.js';
import { MESSAGE_ID_HEADER } from '../message-id-header.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent, Outcome } from '../outcome.js';
import { type ReadingOptions, readingOf } from '../reading.js';
import { settle } from '../settlement.js';
import { MemoryInbox } from './memory-inbox.js';
import type { Answer, TestStatement } from './memory-transaction.js';

/** One event that the test delivers. */
export interface TestEvent {
  /** The event id, as the header `Nats-Msg-Id` would have it. */
  readonly id: string;
  /** The event, which reaches the handler as JSON represents it: a `Date` becomes text. */
  readonly event: unknown;
  /** The subject. The default is `events.test`. */
  readonly subject?: string;
}

/** The options of a test consumer. Each has a default. */
export interface TestConsumerOptions extends ReadingOptions {
  /** The name of the handler in errors. The default is `test`. */
  readonly name?: string;
  /** Attempts before an event becomes a dead letter. The default is 3. */
  readonly attemptsMax?: number;
  /** How long one call of the handler may take, in milliseconds of real time. The default is 1,000. */
  readonly handlerMsMax?: number;
  /**
   * Answers the handler's statements. The default answer has no rows. An error stands for an error of the
   * database.
   */
  readonly answer?: Answer;
}

/** A handler of one event, such as a method with `@OncePerEvent`. */
export type TestHandler<E> = (event: E, context: InboxContext) => unknown;

interface Entry {
  readonly seq: number;
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly publishedAt: Date;
  deliveries: number;
  /** The time of the next delivery; `undefined` when the event is settled. */
  dueMs: number | undefined;
}

const STREAM_ID = 1;
const RETRY_DELAY_MS = 1_000;
/** The test fails after this many deliveries of one event, because it would never end. */
const DELIVERIES_MAX = 1_000;

/**
 * A consumer without servers, for tests of a handler, its retries and its poison.
 *
 *   const consumer = new TestConsumer<Payment>((payment, context) => balances.apply(payment, context));
 *   await consumer.deliver({ id: 'p-1', event: { account: 'a', amount: 5 } });
 *   expect(consumer.statements).toEqual([{ text: 'UPDATE …', values: ['a', 5] }]);
 *
 * The library's own code decides; only the broker and Postgres are in memory. Delays pass at once, as soon as
 * no other delivery is due. Statements are recorded and answered by `answer`. Only a test with Postgres shows
 * whether they are valid.
 */
export class TestConsumer<E = unknown> {
  /** Everything that an observer of the consumer would receive, in order. */
  readonly observed: ConsumerEvent[] = [];
  /** The delay of each redelivery in milliseconds, in order. */
  readonly delaysMs: number[] = [];
  private readonly inbox: MemoryInbox<E>;
  private readonly processor: BatchProcessor<E>;
  private readonly entries: Entry[] = [];
  private nowMs = 0;

  /** @param handler a function of one event, or an effect as `Inbox` accepts it */
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

  /** The handler's committed statements, in order. */
  get statements(): readonly TestStatement[] {
    return this.inbox.committed;
  }

  /** The events that became dead letters, in order, with the reason. */
  get deadLetters(): readonly { readonly id: string; readonly reason: string; readonly detail: string }[] {
    return this.inbox.deadLetters.map((poison) => ({
      id: this.idOf(poison),
      reason: poison.reason,
      detail: poison.detail,
    }));
  }

  /**
   * Delivers events together, and redelivers them until each is settled. Delays pass at once.
   *
   * @returns the outcome of each event, in the order given
   * @throws when an event never ends, for example because its handler always throws `RetryLater`
   */
  async deliver(...events: readonly TestEvent[]): Promise<Outcome[]> {
    return this.settle(events.map((event) => this.publish(event)));
  }

  /**
   * Delivers a settled event again, as after a process that died between the commit and the ack.
   *
   * @returns its outcome, mostly `already-processed`
   * @throws when no event with this id was delivered
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
      header: (name) => (name === MESSAGE_ID_HEADER ? id : undefined),
      headerBytes: () => Buffer.from(`NATS/1.0\r\n${MESSAGE_ID_HEADER}: ${id}\r\n\r\n`),
      headersText: () => JSON.stringify({ [MESSAGE_ID_HEADER]: [id] }),
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
  const eventId = delivery.header(MESSAGE_ID_HEADER) ?? '';
  const digest = createHash('sha256').update(data).digest().readBigInt64BE();
  return {
    ok: true,
    message: { delivery, topic, eventId, digest, event: JSON.parse(Buffer.from(data).toString()) as unknown },
  };
};
