/** The options of the transport: what each means, what is taken for one that is left out, and what cannot be. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { boundsWith, connectionsNeeded, type ConsumerBounds, problemsOf } from '../bounds.js';
import type { DataLayer } from '../data-layer.js';
import type { Decider } from '../decider.js';
import type { Decoder } from '../delivery.js';
import type { Comparison } from '../effect.js';
import type { AnswerWatch } from '../jetstream/durable-consumer.js';
import { jsonDecoder } from '../json-decoder.js';
import type { MoveConnection } from '../leader-follower.js';
import type { Observer } from '../outcome.js';
import { InboxNameError, type InboxTables } from '../postgres/inbox-tables.js';
import { ownInboxes } from '../own-inboxes.js';
import { subjectProblems } from '../reading.js';
import type { Coverage, StreamHistory } from '../stream-history.js';
import type { OncePerEventOptions } from './once-per-event.js';

/** What all consumers of a process share. */
export interface PullConsumerOptions<E> {
  readonly connection: NatsConnection;
  /**
   * Where the inboxes are, and what handlers write through. It needs `connectionsNeeded` connections, so that no consumer waits
   * for another.
   */
  readonly pool: Pool;
  readonly stream: string;
  /**
   * What is known of the stream's history, as a consumer has to see it. Where this, `tablesOf`, `prepare` or `recreate` is left
   * out, it is that of `ownInboxes`: an inbox for each consumer in the schema `inbox`.
   */
  readonly historyOf?: (pattern: string, coverage: Coverage) => StreamHistory;
  /** The tables of a consumer's inbox. */
  readonly tablesOf?: (pattern: string) => InboxTables;
  /** Bounds; `DEFAULT_BOUNDS` says what is taken for those that are left out. */
  readonly settings?: Partial<ConsumerBounds>;
  /** How a delivery is read; `jsonDecoder` when left out. */
  readonly decode?: Decoder<E>;
  /** What handlers get as `manager`: `typeOrm(dataSource)`, or a function of the program's own. None when left out. */
  readonly dataLayer?: DataLayer;
  /** The durable consumer of a pattern; of the same name when left out. */
  readonly durableOf?: (pattern: string) => string;
  /** How a consumer compares the content of duplicates, if it can. Left out, another digest is a conflict. */
  readonly comparisonOf?: (pattern: string) => Comparison<E>;
  /** Creates what a consumer needs in the database, if it is missing. Called before each session; repeatable. */
  readonly prepare?: (pattern: string) => Promise<void>;
  /** Creates the durable consumer where it is missing. */
  readonly recreate?: (pattern: string) => Promise<void>;
  /** Receives what happens inside a consumer, for logs and metrics. */
  readonly observerOf?: (pattern: string) => Observer;
  /** Key in the stream's metadata under which its identity stands; `identity` when left out. */
  readonly identityKey?: string;
  /** First tokens of the subjects that deliveries come to; `_INBOX` when left out. */
  readonly inboxPrefix?: string;
  /** First tokens of the subjects of JetStream's API; `$JS.API` when left out. */
  readonly apiPrefix?: string;
  /** Takes the connection to a broker. Left out where other code uses the connection, too. */
  readonly moveTo?: MoveConnection;
  /** Learns whether the brokers answer these consumers. */
  readonly watch?: AnswerWatch;
  /** Wraps what decides on the deliveries of a consumer. Nothing is wrapped when it is left out. */
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

/** The same with what was left out. */
export type CompleteOptions<E> = PullConsumerOptions<E> &
  Required<Pick<PullConsumerOptions<E>, Defaulted>> & { readonly settings: ConsumerBounds };

/** The options with what was left out. */
export function complete<E>(given: PullConsumerOptions<E>): CompleteOptions<E> {
  return {
    ...ownInboxes(given),
    // What a program's events are is its own to say: without a decoder of its own they are what JSON makes of them.
    decode: jsonDecoder as Decoder<E>,
    durableOf: (pattern) => pattern,
    comparisonOf: () => ({}),
    observerOf: () => () => undefined,
    deciderOf: (_pattern, decider) => decider,
    ...given,
    settings: boundsWith(given.settings ?? {}),
  };
}

/** One `@OncePerEvent`. */
export interface HandlerEntry {
  readonly pattern: string;
  readonly options: OncePerEventOptions;
  /** Methods that have this pattern. */
  readonly count: number;
}

/** By the rules of the brokers for the name of a durable consumer. */
const DURABLE_NAME = /^[^\s\p{Cc}.*>/\\]{1,255}$/u;
/** Everything that is wrong with the options of a program and of its handlers, a sentence each. */
export function problemsWith<E>(options: CompleteOptions<E>, handlers: readonly HandlerEntry[]): string[] {
  return [
    ...problemsOf(options.settings),
    ...poolProblems(options, handlers.length),
    ...nameProblems(options, handlers),
    ...handlers.flatMap(handlerProblems),
  ];
}

function poolProblems<E>({ pool, settings }: CompleteOptions<E>, consumers: number): string[] {
  const max = pool.options.max;
  const needed = connectionsNeeded(consumers, settings);
  if (max >= needed) return [];
  return [
    `pool has ${max} connections; ${consumers} consumers with batchesInFlight ${settings.batchesInFlight} need ${needed}, ` +
      'or a slow one starves another',
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
      problems.push(`handlers "${namesake}" and "${pattern}" have one durable consumer, ${durable}`);
    durables.set(durable, pattern);
    const key = keyTableOf(tablesOf, pattern);
    if (key instanceof InboxNameError) {
      problems.push(key.message);
      continue;
    }
    const sharer = keys.get(key);
    if (sharer !== undefined)
      problems.push(
        `handlers "${sharer}" and "${pattern}" have one inbox, ${key}: one would hide events from the other`,
      );
    keys.set(key, pattern);
  }
  if (handlers.length === 0) problems.push('no method has @OncePerEvent: there is nothing to consume for');
  return problems;
}

/** @returns the name of the table, or what is wrong with the name of the consumer */
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

function handlerProblems({ pattern, options, count }: HandlerEntry): string[] {
  const { subjects, onUnmatched } = options;
  const problems: string[] = [];
  if (count > 1)
    problems.push(
      `${count} methods have @OncePerEvent('${pattern}'): each handler needs a name, and thereby an inbox, of its own`,
    );
  if (onUnmatched !== undefined && subjects === undefined)
    problems.push(`handler "${pattern}" has onUnmatched without subjects: nothing could be unmatched`);
  return [...problems, ...subjectProblems(subjects).map((problem) => `handler "${pattern}": ${problem}`)];
}
