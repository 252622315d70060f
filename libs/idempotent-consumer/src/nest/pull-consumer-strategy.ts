import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { lastValueFrom, type Observable, throwError } from 'rxjs';
import type { IdempotentConsumer } from '../consumer.js';
import { allSent, consumerOf, type HandlerCall, stuckMsOf } from '../consumer-assembly.js';
import type { OncePerEventOptions } from '../handler-options.js';
import type { ConsumerHealth } from '../health.js';
import { OptionsError } from '../options-error.js';
import {
  complete,
  type CompleteOptions,
  type HandlerEntry,
  problemsWith,
  type PullConsumerOptions,
} from '../pull-consumer-options.js';

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
      const isAlone = this.messageHandlers.size === 1;
      const consumer = { name: pattern, options, call: this.callOf(handler), isAlone };
      this.consumers.set(pattern, consumerOf(this.pullOptions, consumer));
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
  health(stuckMs = stuckMsOf(this.pullOptions.settings)): ReadonlyMap<string, ConsumerHealth> {
    return new Map([...this.consumers].map(([pattern, consumer]) => [pattern, consumer.health(stuckMs)]));
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

  /** Calls a handler by way of everything that Nest has put around it. */
  private callOf(handler: MessageHandler): HandlerCall<E> {
    return async (payload, context, onReturned) => {
      const answer: unknown = await handler(payload, context);
      const stream: Observable<unknown> = this.transformToObservable(answer);
      await lastValueFrom(stream, { defaultValue: undefined });
      if (context.usesManager) await allSent();
      onReturned();
    };
  }
}

/** Passes an error of a handler on unchanged. The application needs it as a global filter. */
@Catch()
export class ErrorPassage implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
