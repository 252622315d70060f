import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { boundsWith, connectionsNeeded, type ConsumerBounds, problemsOf } from './bounds.js';
import type { DataLayer } from './data-layer.js';
import type { OncePerEventOptions } from './handler-options.js';
import type { Decider } from './decider.js';
import type { Decoder } from './delivery.js';
import type { Comparison } from './effect.js';
import type { AnswerWatch } from './jetstream/durable-consumer.js';
import { jsonDecoder } from './json-decoder.js';
import type { MoveConnection } from './leader-follower.js';
import type { Observer } from './outcome.js';
import type { FiltersFor } from './postgres/key-generations.js';
import { InboxNameError, type InboxTables } from './postgres/inbox-tables.js';
import type { OrderTables } from './order/order-tables.js';
import { ownInboxes } from './own-inboxes.js';
import { subjectProblems } from './reading.js';
import type { Coverage, StreamHistory } from './stream-history.js';

/** The options of the transport, which all consumers of a process share. */
export interface PullConsumerOptions<E> {
  /** The connection to the brokers. */
  readonly connection: NatsConnection;
  /**
   * The pool of the inboxes, and of the handlers' writes. It needs `connectionsNeeded` connections, so that
   * no consumer waits for another.
   */
  readonly pool: Pool;
  /** The name of the stream, which must exist. */
  readonly stream: string;
  /**
   * The stream history of a consumer.
   *
   * The defaults of this option, `tablesOf`, `prepare` and `recreate` are those of `ownInboxes`: an inbox for
   * each consumer, in the schema `inbox`.
   */
  readonly historyOf?: (pattern: string, coverage: Coverage) => StreamHistory;
  /** The tables of a consumer's inbox. */
  readonly tablesOf?: (pattern: string) => InboxTables;
  /** The bounds of each consumer. Each has a default. */
  readonly settings?: Partial<ConsumerBounds>;
  /** How a delivery is read. By default the body is JSON, and the header `Nats-Msg-Id` is the id of the event. */
  readonly decode?: Decoder<E>;
  /**
   * What handlers get as `manager`: `typeOrm(dataSource)`, or a function of the program. By default there is
   * none.
   */
  readonly dataLayer?: DataLayer;
  /** The durable consumer of a pattern. The default is the pattern itself. */
  readonly durableOf?: (pattern: string) => string;
  /** How a consumer compares the content of duplicates. By default, each different digest is a conflict. */
  readonly comparisonOf?: (pattern: string) => Comparison<E>;
  /**
   * Creates what a consumer needs in the database, if it is missing. It is called before each session, and
   * must be idempotent.
   */
  readonly prepare?: (pattern: string, isOrdered?: boolean) => Promise<void>;
  /**
   * The further tables of a consumer that keeps an order. The default is that of `ownInboxes`, unless the program has
   * tables of its own.
   */
  readonly orderTablesOf?: (pattern: string) => OrderTables;
  /**
   * Creates the durable consumer, if it is missing. `subjects` are those of its handler, with the prefix. Without any, it
   * delivers the whole stream.
   */
  readonly recreate?: (pattern: string, subjects: readonly string[], isOrdered?: boolean) => Promise<void>;
  /** The first tokens of every subject of the stream, which `subjects` of handlers leave out. The default is none. */
  readonly subjectPrefix?: string;
  /** The observer of a consumer, for logs and metrics. */
  readonly observerOf?: (pattern: string) => Observer;
  /** The key of the stream's metadata whose value identifies the stream. The default is `identity`. */
  readonly identityKey?: string;
  /** The first tokens of the reply subjects to which deliveries come. The default is `_INBOX`. */
  readonly replyPrefix?: string;
  /** The API prefix of JetStream in the connection's account. The default is `$JS.API`. */
  readonly apiPrefix?: string;
  /** Moves the connection to a broker. It is left out when other code uses the connection too. */
  readonly moveTo?: MoveConnection;
  /** Learns whether the brokers answer these consumers. */
  readonly watch?: AnswerWatch;
  /** The filters of closed generations of a consumer's keys. By default, ids are looked up in these. */
  readonly filtersOf?: (pattern: string) => FiltersFor | undefined;
  /**
   * Starts what keeps the inbox of a consumer in shape, until `stop`. The default of this option and of `filtersOf` is
   * that of `ownInboxes`, unless the program has tables of its own.
   */
  readonly keep?: (pattern: string) => { stop(): void };
  /** Wraps the decider of a consumer. By default it is not wrapped. */
  readonly deciderOf?: (pattern: string, decider: Decider) => Decider;
}

type Defaulted =
  | 'decode'
  | 'historyOf'
  | 'tablesOf'
  | 'durableOf'
  | 'comparisonOf'
  | 'prepare'
  | 'recreate'
  | 'observerOf'
  | 'identityKey'
  | 'deciderOf';

/** The options with their defaults. */
export type CompleteOptions<E> = PullConsumerOptions<E> &
  Required<Pick<PullConsumerOptions<E>, Defaulted>> & { readonly settings: ConsumerBounds };

/** Completes the options with their defaults. */
export function complete<E>(given: PullConsumerOptions<E>): CompleteOptions<E> {
  const { filtersOf, keep, orderTablesOf, ...inboxes } = ownInboxes(given);
  return {
    ...inboxes,
    // The upkeep of other tables is not that of inboxes.
    ...(given.tablesOf === undefined && { filtersOf, keep, orderTablesOf }),
    // Without a decoder of its own, a program takes events of any JSON shape.
    decode: jsonDecoder as Decoder<E>,
    durableOf: (pattern) => pattern,
    comparisonOf: () => ({}),
    observerOf: () => () => undefined,
    deciderOf: (_pattern, decider) => decider,
    ...given,
    settings: boundsWith(given.settings ?? {}),
  };
}

/** One handler with `@OncePerEvent`. */
export interface HandlerEntry {
  readonly pattern: string;
  readonly options: OncePerEventOptions;
  /** The number of methods with this pattern. */
  readonly count: number;
}

/** The rule of the brokers for the name of a durable consumer. */
const DURABLE_NAME = /^[^\s\p{Cc}.*>/\\]{1,255}$/u;
const SUBJECT_PREFIX = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;

/** Checks the options of a program and of its handlers. @returns one sentence for each problem */
export function problemsWith<E>(options: CompleteOptions<E>, handlers: readonly HandlerEntry[]): string[] {
  return [
    ...problemsOf(options.settings),
    ...prefixProblems(options),
    ...poolProblems(options, handlers.length),
    ...nameProblems(options, handlers),
    ...handlers.flatMap(handlerProblems),
    ...handlers.flatMap((handler) => orderProblems(options, handler)),
  ];
}

function prefixProblems<E>({ subjectPrefix }: CompleteOptions<E>): string[] {
  if (subjectPrefix === undefined || SUBJECT_PREFIX.test(subjectPrefix)) return [];
  return [`subjectPrefix is "${subjectPrefix}"; it must be tokens between dots, without "*" and ">"`];
}

function poolProblems<E>({ pool, settings }: CompleteOptions<E>, consumers: number): string[] {
  const max = pool.options.max;
  const needed = connectionsNeeded(consumers, settings);
  if (max >= needed) return [];
  return [
    `pool has ${max} connections; ${consumers} consumers with batchesInFlight ${settings.batchesInFlight} need ${needed}, ` +
      'or a slow consumer starves another one',
  ];
}

function nameProblems<E>(
  { durableOf, tablesOf }: CompleteOptions<E>,
  handlers: readonly HandlerEntry[],
): string[] {
  const problems: string[] = [];
  const durables = new Map<string, string>();
  const keys = new Map<string, string>();
  for (const { pattern } of handlers) {
    const durable = durableOf(pattern);
    if (!DURABLE_NAME.test(durable)) problems.push(`"${durable}" cannot name a durable consumer`);
    const namesake = durables.get(durable);
    if (namesake !== undefined)
      problems.push(`handlers "${namesake}" and "${pattern}" share one durable consumer, ${durable}`);
    durables.set(durable, pattern);
    const key = keyTableOf(tablesOf, pattern);
    if (key instanceof InboxNameError) {
      problems.push(key.message);
      continue;
    }
    const sharer = keys.get(key);
    if (sharer !== undefined)
      problems.push(
        `handlers "${sharer}" and "${pattern}" share one inbox, ${key}: each would hide events from the other`,
      );
    keys.set(key, pattern);
  }
  if (handlers.length === 0) problems.push('no method has @OncePerEvent, so there is nothing to consume');
  return problems;
}

/** Returns the name of the key table, or what is wrong with the name of the consumer. */
function keyTableOf(
  tablesOf: CompleteOptions<unknown>['tablesOf'],
  pattern: string,
): string | InboxNameError {
  try {
    return tablesOf(pattern).key;
  } catch (error) {
    if (error instanceof InboxNameError) return error;
    throw error;
  }
}

function orderProblems<E>(
  { orderTablesOf }: CompleteOptions<E>,
  { pattern, options }: HandlerEntry,
): string[] {
  const { orderBy, onDeadLetter } = options;
  if (orderBy === undefined)
    return onDeadLetter === undefined
      ? []
      : [`handler "${pattern}" has onDeadLetter without orderBy, so no event is behind another one`];
  if (orderTablesOf !== undefined) return [];
  return [`handler "${pattern}" has orderBy, and its inbox has no tables for an order: give orderTablesOf`];
}

function handlerProblems({ pattern, options, count }: HandlerEntry): string[] {
  const { subjects, onUnmatched } = options;
  const problems: string[] = [];
  if (count > 1)
    problems.push(
      `${count} methods have @OncePerEvent('${pattern}'): each handler needs a name of its own, and so an inbox of its own`,
    );
  if (onUnmatched !== undefined && subjects === undefined)
    problems.push(`handler "${pattern}" has onUnmatched without subjects, so every event matches`);
  return [...problems, ...subjectProblems(subjects).map((problem) => `handler "${pattern}": ${problem}`)];
}
