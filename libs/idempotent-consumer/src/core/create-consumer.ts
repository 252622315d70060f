/**
 * A consumer for a program without Nest.
 *
 *   create ─start─▶ events flow to the handler ─stop─▶ what is in flight is finished, the rest is handed back
 *
 * It is the same engine as under `PullConsumerStrategy`, with the same guarantee: what the handler writes
 * through `transaction` is committed once for each event, and the ack follows the commit.
 */
import type { Pool } from 'pg';
import { connectionsNeeded } from '../bounds.js';
import { allSent, consumerOf, stuckMsOf } from '../consumer-assembly.js';
import type { DataLayer } from '../data-layer.js';
import type { Decoder, Message } from '../delivery.js';
import type { ConsumerHealth } from '../health.js';
import type { BatchContext } from '../batch-context.js';
import type { OrderOptions } from '../handler-options.js';
import type { InboxContext } from '../inbox-context.js';
import { complete, problemsWith, type PullConsumerOptions } from '../pull-consumer-options.js';
import { OptionsError } from '../options-error.js';
import type { Observer } from '../outcome.js';
import type { OwnInboxes } from '../own-inboxes.js';
import type { ReadingOptions } from '../reading.js';

/**
 * What every consumer needs or may have. Only `connection`, `pool`, `stream`, `name` and the handler are
 * required.
 */
export interface ConsumerOptionsCommon<E, M>
  extends
    Pick<
      PullConsumerOptions<E>,
      'connection' | 'pool' | 'stream' | 'subjectPrefix' | 'settings' | 'replyPrefix' | 'apiPrefix'
    >,
    Partial<OwnInboxes>,
    Pick<ReadingOptions, 'subjects' | 'onUnmatched'>,
    OrderOptions<E> {
  /** Names the inbox, and the durable consumer as well: 1 to 40 letters, digits, `_` and `-`. */
  readonly name: string;
  /**
   * Checks each event, and returns what the handler gets: a schema of zod, for example. An event that does
   * not fit is a dead letter.
   */
  readonly schema?: { parse(value: unknown): E };
  /**
   * How a delivery is read before `schema`. By default the body is JSON, and the header `Nats-Msg-Id` is the
   * id.
   */
  readonly decode?: Decoder<unknown>;
  /** What the handler gets as `manager`: `typeOrm(dataSource)`, or a function of the program's own. */
  readonly dataLayer?: DataLayer<M>;
  /**
   * Receives what happens inside the consumer, for logs and metrics. It is called synchronously, and must not
   * throw.
   */
  readonly observe?: Observer;
}

/**
 * The options of a consumer: with `batch: true` the handler takes many events in one call, else one event a
 * call.
 */
export type ConsumerOptions<E = unknown, M = unknown> = ConsumerOptionsCommon<E, M> &
  (
    | {
        readonly batch?: false;
        readonly handler: (event: E, context: InboxContext<M, E>) => unknown;
      }
    | {
        readonly batch: true;
        readonly handler: (events: readonly Message<E>[], context: BatchContext<M>) => unknown;
      }
  );

/** What `createConsumer` returns. */
export interface EventConsumer {
  /**
   * Begins to consume. Resolves when events can flow: while the brokers or Postgres are down, it waits for
   * them.
   *
   * @throws OptionsError when the pool is too small for this consumer and those that share it already
   */
  start(): Promise<void>;
  /**
   * Takes no more events, finishes those in flight and hands back the rest. The connection and the pool stay
   * open; close them afterwards. A consumer that was stopped is not started again: create another one.
   */
  stop(): Promise<void>;
  /**
   * Whether it gets on. A process whose consumer is `stuck` should be restarted; a restart helps in no other
   * state.
   *
   * @param stuckMs for how long nothing may happen while events are here; by default twice `handlerMsMax`, at
   *   least a minute
   */
  health(stuckMs?: number): ConsumerHealth;
}

/**
 * Creates a consumer whose handler takes effect once for each event.
 *
 *   const consumer = createConsumer({
 *     ...{ connection, pool, stream: 'PAYMENTS', name: 'balances', schema: Payment },
 *     handler: async ({ account, amount }, { transaction }) => {
 *       await transaction.query('UPDATE account SET balance = balance + $2 WHERE id = $1', [account, amount]);
 *     },
 *   });
 *   await consumer.start();
 *
 * When the handler returns, its writes are committed, and then the event is acknowledged. When it throws,
 * they are rolled back, and the event is tried again with a growing delay, `attemptsMax` times in all. Then
 * it is a dead letter. `Poison` and `RetryLater` decide it at once. The inbox and the durable consumer are
 * created where they are missing. `ownInboxes` has the options for that: spread what it returns into these.
 *
 * @throws OptionsError with everything that is wrong with the options; nothing is consumed then
 */
export function createConsumer<E = unknown, M = unknown>(options: ConsumerOptions<E, M>): EventConsumer {
  // `schema` is that of events: to `ownInboxes` it would be the one of the inboxes.
  const { name, handler, batch = false, decode, observe, subjects, schema, onUnmatched, ...more } = options;
  const { orderBy, onDeadLetter, ...others } = more;
  const all = complete<E>({
    ...others,
    // The schema, where there is one, makes an `E` of what was decoded.
    ...(decode && { decode: decode as Decoder<E> }),
    ...(observe && { observerOf: () => observe }),
  });
  const reading = {
    ...(subjects !== undefined && { subjects }),
    ...(schema !== undefined && { schema }),
    ...(onUnmatched !== undefined && { onUnmatched }),
    ...(orderBy !== undefined && { orderBy }),
    ...(onDeadLetter !== undefined && { onDeadLetter }),
  };
  const problems = problemsWith(all, [{ pattern: name, options: reading, count: 1 }]);
  if (problems.length > 0) throw new OptionsError(problems);
  const call = handler as (payload: unknown, context: unknown) => unknown;
  const consumer = consumerOf(all, {
    ...{ name, isAlone: false, options: { ...reading, batch } },
    call: async (payload, context, onReturned) => {
      await call(payload, context);
      if (context.usesManager) await allSent();
      onReturned();
    },
  });
  const share = new PoolShare(others.pool, connectionsNeeded(1, all.settings));
  return {
    start: async () => {
      share.take();
      await consumer.start();
    },
    stop: async () => {
      await consumer.stop();
      share.release();
    },
    health: (stuckMs = stuckMsOf(all.settings)) => consumer.health(stuckMs),
  };
}

/** Connections that running consumers need of each pool. */
const takenOf = new WeakMap<Pool, number>();

/** What one consumer needs of its pool while it runs, so that a slow one never keeps another waiting. */
class PoolShare {
  private state: 'new' | 'taken' | 'released' = 'new';

  constructor(
    private readonly pool: Pool,
    private readonly needed: number,
  ) {}

  /** @throws OptionsError when the pool is too small */
  take(): void {
    if (this.state !== 'new') throw new Error('this consumer was started before: create another one');
    const taken = takenOf.get(this.pool) ?? 0;
    const { max } = this.pool.options;
    if (taken + this.needed > max)
      throw new OptionsError([
        `pool has ${max} connections; the consumers that share it need ${taken + this.needed}, or a slow one starves another`,
      ]);
    takenOf.set(this.pool, taken + this.needed);
    this.state = 'taken';
  }

  release(): void {
    if (this.state === 'taken') takenOf.set(this.pool, (takenOf.get(this.pool) ?? 0) - this.needed);
    this.state = 'released';
  }
}
