/**
 * A Nest transport: durable pull consumers whose handlers take effect once per event.
 *
 * The pattern of an `@OncePerEvent('name')` handler names the durable consumer it serves. The handler is
 * called with an event and an `InboxContext`, or with many and a `BatchContext`; what it writes through the context's
 * transaction commits together with the inbox, once for each event. To add a consumer is to add one such class.
 *
 *   @Controller()
 *   class Totals {
 *     @OncePerEvent('totals')
 *     add(@Payload() order: Order, @Ctx() { transaction }: InboxContext) { … }
 *   }
 *
 * Use it with `ErrorPassage` as a global filter: Nest's own filter would hide which error of Postgres it was.
 */
import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { lastValueFrom, type Observable, throwError } from 'rxjs';
import { BatchProcessor } from '../batch-processor.js';
import { IdempotentConsumer } from '../consumer.js';
import type { Effect, EventEffect } from '../effect.js';
import { DurableConsumer } from '../jetstream/durable-consumer.js';
import type { ConsumerHealth } from '../health.js';
import { OptionsError } from '../options-error.js';
import { OutageGate } from '../outage-gate.js';
import { Inbox } from '../postgres/inbox.js';
import { readingOf } from '../reading.js';
import { BatchContext } from './batch-context.js';
import { InboxContext } from './inbox-context.js';
import type { OncePerEventOptions } from './once-per-event.js';
import {
  complete,
  type CompleteOptions,
  type HandlerEntry,
  problemsWith,
  type PullConsumerOptions,
} from './pull-consumer-options.js';

/** Calls a handler, by way of everything that Nest has put around it. */
type Call<E> = (payload: unknown, context: BatchContext | InboxContext<unknown, E>) => Promise<void>;

const STUCK_MS_MIN = 60_000;

/** Runs a consumer for each `@OncePerEvent` of the application. */
export class PullConsumerStrategy<E> extends Server implements CustomTransportStrategy {
  private readonly consumers = new Map<string, IdempotentConsumer>();
  private readonly pullOptions: CompleteOptions<E>;

  constructor(options: PullConsumerOptions<E>) {
    super();
    this.pullOptions = complete(options);
  }

  /**
   * Called by Nest: starts the consumers, and answers when the first events can flow. Where options are wrong, nothing is
   * started, and the answer is an `OptionsError` with all that is wrong.
   */
  listen(callback: (error?: unknown) => void): void {
    const problems = problemsWith(this.pullOptions, this.handlerEntries());
    if (problems.length > 0) {
      callback(new OptionsError(problems));
      return;
    }
    for (const [pattern, handler] of this.messageHandlers) {
      const options = (handler.extras ?? {}) as OncePerEventOptions;
      const effect = this.effectOf(pattern, this.callOf(pattern, handler), options);
      this.consumers.set(pattern, this.consumerOf(pattern, effect, options));
    }
    const consumers = [...this.consumers.values()];
    Promise.all(consumers.map((consumer) => consumer.start())).then(
      () => {
        callback();
      },
      (error: unknown) => {
        callback(error);
      },
    );
  }

  /** Called by Nest: finishes what is in flight. */
  async close(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  /**
   * How each consumer is, by its pattern: health.ts has the states. A process with a consumer that is `stuck` is to be restarted.
   *
   * @param stuckMs for how long nothing may have happened while events are here; twice `handlerMsMax`, and at least a minute, when
   *   left out
   */
  health(stuckMs = this.stuckMs()): ReadonlyMap<string, ConsumerHealth> {
    return new Map([...this.consumers].map(([pattern, consumer]) => [pattern, consumer.health(stuckMs)]));
  }

  private stuckMs(): number {
    return Math.max(STUCK_MS_MIN, 2 * (this.pullOptions.settings.handlerMsMax ?? 0));
  }

  /** Nest's hook for events of the transport. There are none: see `observerOf`. */
  on(): never {
    throw new Error('this transport has no events; pass an observer instead');
  }

  /** Nest's way to the driver. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the signature is Nest's
  unwrap<T>(): T {
    return this.pullOptions.connection as T;
  }

  private handlerEntries(): HandlerEntry[] {
    return [...this.messageHandlers].map(([pattern, first]) => {
      let count = 0;
      for (let handler: typeof first | undefined = first; handler; handler = handler.next) count += 1;
      return { pattern, options: (first.extras ?? {}) as OncePerEventOptions, count };
    });
  }

  private callOf(pattern: string, handler: MessageHandler): Call<E> {
    return async (payload, context) => {
      const answer: unknown = await handler(payload, context);
      const stream: Observable<unknown> = this.transformToObservable(answer);
      await lastValueFrom(stream, { defaultValue: undefined });
      // What nobody waits for is sent by now, and fails the call.
      if (context.usesManager) await new Promise((resolve) => setImmediate(resolve));
      this.consumers.get(pattern)?.progressed();
    };
  }

  private effectOf(
    name: string,
    call: Call<E>,
    { batch = false }: OncePerEventOptions,
  ): Effect<E> | EventEffect<E> {
    const { comparisonOf, dataLayer } = this.pullOptions;
    const comparison = comparisonOf(name);
    return batch
      ? {
          ...comparison,
          apply: (fresh, transaction) => call(fresh, new BatchContext(name, transaction, dataLayer)),
        }
      : {
          ...comparison,
          applyOne: (message, transaction) =>
            call(message.event, new InboxContext(name, transaction, message, dataLayer)),
        };
  }

  private consumerOf(
    name: string,
    effect: Effect<E> | EventEffect<E>,
    reading: OncePerEventOptions,
  ): IdempotentConsumer {
    const { connection, pool, settings, stream, identityKey, historyOf, prepare } = this.pullOptions;
    const { inboxPrefix, apiPrefix } = this.pullOptions;
    const decode = readingOf(this.pullOptions.decode, reading);
    const observe = this.pullOptions.observerOf(name);
    const history = historyOf(name, { leavesGaps: reading.onUnmatched === 'ack' });
    const gate = new OutageGate(observe);
    const { deciderOf } = this.pullOptions;
    const { handlerMsMax } = settings;
    const inbox = new Inbox(pool, this.pullOptions.tablesOf(name), effect, {
      name,
      stopping: gate.stopped,
      onLate: (error) => observe({ type: 'late-statement', error }),
      ...(handlerMsMax !== undefined && { handlerMsMax }),
    });
    return new IdempotentConsumer(
      {
        connection,
        // Two would take it away from each other: their leaders need not be the same.
        moveTo: this.messageHandlers.size === 1 ? this.pullOptions.moveTo : undefined,
        durable: new DurableConsumer(
          connection,
          {
            stream,
            consumer: this.pullOptions.durableOf(name),
            identityKey,
            ...(inboxPrefix !== undefined && { inboxPrefix }),
            ...(apiPrefix !== undefined && { apiPrefix }),
          },
          this.pullOptions.watch,
        ),
        processor: deciderOf(name, new BatchProcessor(inbox, decode, gate, settings, observe)),
        gate,
        history: {
          startOf: (incarnation, consumer) => history.startOf(incarnation, consumer),
          started: (incarnation, seq) => history.started(incarnation, seq),
          incarnation: async (sight, foreign) => {
            await prepare(name);
            return history.incarnation(sight, foreign);
          },
        },
        recreate: () => this.pullOptions.recreate(name),
        observe,
      },
      settings,
    );
  }
}

/** Lets an error of a handler through as it is. */
@Catch()
export class ErrorPassage implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
