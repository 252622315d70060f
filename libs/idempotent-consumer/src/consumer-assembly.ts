/**
 * Puts a consumer together from the options of a program: the engine on JetStream, with an inbox in Postgres.
 */
import { BatchProcessor } from './batch-processor.js';
import type { ConsumerBounds } from './bounds.js';
import { IdempotentConsumer } from './consumer.js';
import type { Decider } from './decider.js';
import type { ConsumerState } from './delivery-source.js';
import type { Effect, EventEffect } from './effect.js';
import type { OncePerEventOptions } from './handler-options.js';
import { DurableConsumer } from './jetstream/durable-consumer.js';
import { BatchContext } from './batch-context.js';
import { InboxContext } from './inbox-context.js';
import { keyedBy, type OnDeadLetter, type OrderKey } from './order/order-key.js';
import { orderedParts, type OrderedPartsOptions } from './order/ordered-parts.js';
import type { CompleteOptions } from './pull-consumer-options.js';
import { OutageGate } from './outage-gate.js';
import { Inbox } from './postgres/inbox.js';
import { filteredOut, readingOf, subjectsOf } from './reading.js';
import type { StreamHistory } from './stream-history.js';
import { withSpans } from './traces/consumer-spans.js';

/**
 * Calls a handler with an event or with many, and calls `onReturned` when the handler has returned and has
 * not thrown.
 */
export type HandlerCall<E> = (
  payload: unknown,
  context: BatchContext | InboxContext<unknown, E>,
  onReturned: () => void,
) => Promise<void>;

/** A handler, and what a program says of it. */
export interface Handler<E> {
  readonly name: string;
  readonly options: OncePerEventOptions;
  readonly call: HandlerCall<E>;
  /** Whether the connection may be moved for it: no other consumer uses the connection. */
  readonly isAlone: boolean;
}

const STUCK_MS_MIN = 60_000;

/**
 * For how long nothing may happen while events are here, where a program does not say it: twice
 * `handlerMsMax`, at least a minute.
 */
export function stuckMsOf({ handlerMsMax = 0 }: Pick<ConsumerBounds, 'handlerMsMax'>): number {
  return Math.max(STUCK_MS_MIN, 2 * handlerMsMax);
}

/** A consumer that calls a handler. It is not started. */
export function consumerOf<E>(options: CompleteOptions<E>, handler: Handler<E>): IdempotentConsumer {
  const { name, isAlone } = handler;
  const { pool, settings, moveTo, keep } = options;
  const observe = options.observerOf(name);
  const gate = new OutageGate(observe);
  const subjects = subjectsOf(handler.options, options.subjectPrefix);
  const order = orderOf(handler);
  const read = readingOf(options.decode, { ...handler.options, subjects });
  const decode = order === undefined ? read : keyedBy(read, order.by);
  const effect = effectOf(options, handler, () => {
    consumer.progressed();
  });
  const handling = {
    name,
    stopping: gate.stopped,
    onLate: (error: unknown) => observe({ type: 'late-statement', error }),
    ...(settings.handlerMsMax !== undefined && { handlerMsMax: settings.handlerMsMax }),
  };
  const deciding = {
    ...{ pool, effect, handling, decode, gate, settings, observe },
    ...{ tables: options.tablesOf(name), filtersFor: options.filtersOf?.(name) },
  };
  const tables = options.orderTablesOf?.(name);
  const { processor, turn } =
    order === undefined || tables === undefined
      ? unorderedParts(deciding)
      : orderedParts({
          ...{ ...deciding, order: tables, onDeadLetter: order.onDeadLetter },
          prepare: () => options.prepare(name, true),
        });
  const consumer: IdempotentConsumer = new IdempotentConsumer(
    {
      source: durableOf(options, name),
      // Two would take it away from each other: their leaders need not be the same.
      moveTo: isAlone ? moveTo : undefined,
      processor: withSpans(options.deciderOf(name, processor), { stream: options.stream, consumer: name }),
      ...{ gate, turn },
      history: preparedHistory(options, handler, subjects),
      recreate: () => options.recreate(name, subjects, order !== undefined),
      observe,
      keep: keep && (() => keep(name)),
    },
    order === undefined ? settings : { ...settings, batchesInFlight: 1 },
  );
  return consumer;
}

type Deciding<E> = Omit<OrderedPartsOptions<E>, 'order' | 'onDeadLetter' | 'prepare'>;

function unorderedParts<E>(deciding: Deciding<E>): { processor: Decider; turn: undefined } {
  const { pool, tables, effect, handling, filtersFor, decode, gate, settings, observe } = deciding;
  const inbox = new Inbox(pool, tables, effect, handling, filtersFor);
  return { processor: new BatchProcessor(inbox, decode, gate, settings, observe), turn: undefined };
}

/** How a handler wants its events ordered. Its options do not know their type. */
function orderOf<E>({
  options: { orderBy, onDeadLetter = 'skip' },
}: Handler<E>): { readonly by: (event: E) => OrderKey; readonly onDeadLetter: OnDeadLetter } | undefined {
  return orderBy && { by: orderBy as (event: E) => OrderKey, onDeadLetter };
}

function durableOf<E>(options: CompleteOptions<E>, name: string): DurableConsumer {
  const { connection, stream, identityKey, replyPrefix, apiPrefix, watch } = options;
  const address = {
    ...{ stream, identityKey, consumer: options.durableOf(name) },
    ...(replyPrefix !== undefined && { replyPrefix }),
    ...(apiPrefix !== undefined && { apiPrefix }),
  };
  return new DurableConsumer(connection, address, watch);
}

/** The history of a consumer, with what has to be true before each session. */
function preparedHistory<E>(
  options: CompleteOptions<E>,
  handler: Handler<E>,
  subjects: readonly string[],
): StreamHistory {
  const { name } = handler;
  const leavesGaps = handler.options.onUnmatched === 'ack';
  const isOrdered = handler.options.orderBy !== undefined;
  const parked = isOrdered ? options.orderTablesOf?.(name).parked : undefined;
  const history = options.historyOf(name, { leavesGaps, subjects, ...(parked !== undefined && { parked }) });
  return {
    startOf: (incarnation, consumer) => {
      refuseOtherFilter(options.durableOf(name), subjects, consumer);
      return history.startOf(incarnation, consumer);
    },
    started: (incarnation, start) => history.started(incarnation, start),
    ...(history.lost && { lost: history.lost.bind(history) }),
    ...(history.onNewConnection && { onNewConnection: history.onNewConnection.bind(history) }),
    incarnation: async (stream, foreign) => {
      await options.prepare(name, isOrdered);
      return history.incarnation(stream, foreign);
    },
  };
}

/** An existing consumer keeps its filter when its handler gets other subjects. The handler would silently miss some. */
function refuseOtherFilter(
  durable: string,
  subjects: readonly string[],
  { filters = [] }: ConsumerState,
): void {
  const missed = filteredOut(subjects, filters);
  if (missed.length === 0) return;
  throw new Error(
    `consumer ${durable} has the filter ${filters.join(', ')}, and its handler is for ${missed.join(', ')} as well: ` +
      'delete the consumer; it is created again with the subjects of the handler, and begins where the inbox ends',
  );
}

/** Resolves when a data layer has sent what the handler did not wait for, so that it fails the call. */
export function allSent(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function effectOf<E>(
  { comparisonOf, dataLayer }: CompleteOptions<E>,
  { name, options, call }: Handler<E>,
  onReturned: () => void,
): Effect<E> | EventEffect<E> {
  const comparison = comparisonOf(name);
  if (options.batch === true)
    return {
      ...comparison,
      apply: (fresh, transaction) => call(fresh, new BatchContext(name, transaction, dataLayer), onReturned),
    };
  return {
    ...comparison,
    applyOne: (message, transaction) =>
      call(message.event, new InboxContext(name, transaction, message, dataLayer), onReturned),
  };
}
