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

/** Calls a handler through the pipes, guards, interceptors and filters of Nest. */
type Call<E> = (payload: unknown, context: BatchContext | InboxContext<unknown, E>) => Promise<void>;

const STUCK_MS_MIN = 60_000;

/**
 * A Nest transport: durable pull consumers whose handlers take effect once per event.
 *
 * The pattern of an `@OncePerEvent('name')` handler names its durable consumer. The handler gets one event
 * and an `InboxContext`, or many events and a `BatchContext`. Its writes through the context's transaction
 * commit together with the inbox, once for each event. One such class adds a consumer:
 *
 *   @Controller()
 *   class Totals {
 *     @OncePerEvent('totals')
 *     add(@Payload() order: Order, @Ctx() { transaction }: InboxContext) { … }
 *   }
 *
 * The application needs `ErrorPassage` as a global filter. Nest's own filter would hide which error of
 * Postgres it was.
 */
export class PullConsumerStrategy<E> extends Server implements CustomTransportStrategy {
  private readonly consumers = new Map<string, IdempotentConsumer>();
  private readonly pullOptions: CompleteOptions<E>;

  /** @param options `listen` reports the problems of wrong ones */
  constructor(options: PullConsumerOptions<E>) {
    super();
    this.pullOptions = complete(options);
  }

  /**
   * Starts the consumers; Nest calls it. The callback is called when events can flow. If options are wrong,
   * no consumer starts, and the callback gets an `OptionsError` with all problems.
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

  /** Stops the consumers after the batches in flight; Nest calls it. */
  async close(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  /**
   * Returns the health of each consumer, by its pattern. A process with a `stuck` consumer should be
   * restarted.
   *
   * @param stuckMs how long a consumer may hold deliveries without progress; the default is twice
   *   `handlerMsMax`, and at least one minute
   */
  health(stuckMs = this.stuckMs()): ReadonlyMap<string, ConsumerHealth> {
    return new Map([...this.consumers].map(([pattern, consumer]) => [pattern, consumer.health(stuckMs)]));
  }

  private stuckMs(): number {
    return Math.max(STUCK_MS_MIN, 2 * (this.pullOptions.settings.handlerMsMax ?? 0));
  }

  /**
   * Nest's hook for events of the transport. This transport has an observer instead: see `observerOf`.
   * @throws always
   */
  on(): never {
    throw new Error('this transport emits no events of its own; use the option observerOf');
  }

  /** Returns the connection, which is Nest's access to the driver. */
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
      // A statement that the handler does not await is sent by now, and fails the call.
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
    const { replyPrefix, apiPrefix } = this.pullOptions;
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
        // Two consumers would move it back and forth, because their leaders may differ.
        moveTo: this.messageHandlers.size === 1 ? this.pullOptions.moveTo : undefined,
        source: new DurableConsumer(
          connection,
          {
            stream,
            consumer: this.pullOptions.durableOf(name),
            identityKey,
            ...(replyPrefix !== undefined && { replyPrefix }),
            ...(apiPrefix !== undefined && { apiPrefix }),
          },
          this.pullOptions.watch,
        ),
        processor: deciderOf(name, new BatchProcessor(inbox, decode, gate, settings, observe)),
        gate,
        history: {
          startOf: (incarnation, consumer) => history.startOf(incarnation, consumer),
          started: (incarnation, seq) => history.started(incarnation, seq),
          incarnation: async (stream, foreign) => {
            await prepare(name);
            return history.incarnation(stream, foreign);
          },
        },
        recreate: () => this.pullOptions.recreate(name),
        observe,
      },
      settings,
    );
  }
}

/** Passes an error of a handler on unchanged. The application needs it as a global filter. */
@Catch()
export class ErrorPassage implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
