import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { adjustDurable, createDurable, type DurableShape } from './jetstream/durable-creation.js';
import type { DurableConsumerAddress } from './jetstream/durable-consumer.js';
import { JetStreamWitness } from './jetstream/jetstream-witness.js';
import { orderTables, type OrderTables, refuseParked } from './order/order-tables.js';
import { createInbox } from './postgres/create-inbox.js';
import type { DifferingHistory } from './postgres/divergence.js';
import type { KeyFigures } from './postgres/consumer-filters.js';
import { InboxHistory } from './postgres/inbox-history.js';
import { inboxTables, type InboxTables } from './postgres/inbox-tables.js';
import type { FiltersFor } from './postgres/key-generations.js';
import { OwnUpkeep, type UpkeepOptions } from './postgres/own-upkeep.js';
import type { Coverage, StreamHistory } from './stream-history.js';

/** Where the inboxes are, and which stream they are for. */
export interface OwnInboxesOptions
  extends Partial<Pick<DurableShape, 'ackWaitMs' | 'ackPendingMax'>>, UpkeepOptions {
  /** The connection to the brokers. */
  readonly connection: NatsConnection;
  /** The pool of the inboxes. */
  readonly pool: Pool;
  /** The name of the stream, which must exist. */
  readonly stream: string;
  /** The schema of the inboxes. The default is `inbox`. It is created if it is missing. */
  readonly schema?: string;
  /** The durable consumer of a pattern. The default is the pattern itself. */
  readonly durableOf?: (pattern: string) => string;
  /** The key of the stream's metadata whose value identifies the stream. The default is `identity`. */
  readonly identityKey?: string;
  /** The API prefix of JetStream in the connection's account. The default is `$JS.API`. */
  readonly apiPrefix?: string;
  /**
   * Called when the stream has lost messages that an inbox has. The consumer then reads what the stream has
   * in their place.
   */
  readonly onDiffering?: (pattern: string, found: DifferingHistory) => void;
}

/** The options of `PullConsumerStrategy` that concern inboxes. */
export interface OwnInboxes {
  readonly identityKey: string;
  readonly durableOf: (pattern: string) => string;
  readonly tablesOf: (pattern: string) => InboxTables;
  readonly historyOf: (pattern: string, coverage: Coverage) => StreamHistory;
  readonly prepare: (pattern: string, isOrdered?: boolean) => Promise<void>;
  /** The further tables of a consumer that keeps an order. */
  readonly orderTablesOf: (pattern: string) => OrderTables;
  /**
   * Creates the inbox and the durable consumer of a pattern, if they are missing. An owner calls it for a program whose role and
   * account may create neither.
   *
   * @param subjects the filter of the durable consumer, with the prefix; the default is the whole stream
   * @param isOrdered whether its handler has `orderBy`; the default is false
   */
  readonly recreate: (pattern: string, subjects?: readonly string[], isOrdered?: boolean) => Promise<void>;
  /** The filters of closed generations of a consumer's keys. */
  readonly filtersOf: (pattern: string) => FiltersFor | undefined;
  /** Begins other generations of keys, and loads and builds their filters, while a consumer runs. */
  readonly keep: (pattern: string) => { stop(): void };
  /** Returns the generations of the keys of each pattern that runs, and what their filters take and spare, for metrics. */
  readonly keyFigures: () => ReadonlyMap<string, KeyFigures>;
}

/** Progress is signalled for held deliveries, so it bounds only how late those of a dead process come again. */
const ACK_WAIT_MS = 5_000;
const ACK_PENDING_MAX = 20_000;

/**
 * Gives each consumer an inbox of its own, and creates what is missing: schema, tables and durable consumer.
 * Spread the result into the options of the transport:
 *
 *   const at = { connection, pool, stream: 'PAYMENTS' };
 *   new PullConsumerStrategy({ ...at, ...ownInboxes(at) });
 *
 * The transport refuses to start with an `InboxNameError` when no inbox can have the name of a consumer.
 */
export function ownInboxes(options: OwnInboxesOptions): OwnInboxes {
  const { connection, pool, stream, schema, apiPrefix, identityKey = 'identity' } = options;
  const { durableOf = (pattern) => pattern, onDiffering } = options;
  const { ackWaitMs = ACK_WAIT_MS, ackPendingMax = ACK_PENDING_MAX } = options;
  const adjusted = new Set<string>();
  const addressOf = (pattern: string): DurableConsumerAddress => ({
    ...{ stream, consumer: durableOf(pattern), identityKey },
    ...(apiPrefix !== undefined && { apiPrefix }),
  });
  const tablesOf = (consumer: string): InboxTables => inboxTables({ schema, consumer });
  const historyOf = (pattern: string, coverage: Coverage): InboxHistory =>
    new InboxHistory({
      pool,
      tables: tablesOf(pattern),
      witness: new JetStreamWitness(connection, stream, apiPrefix),
      ...coverage,
      ...(onDiffering && { onDiffering: (found) => onDiffering(pattern, found) }),
    });
  const upkeep = new OwnUpkeep(pool, tablesOf, options);
  const prepare = async (consumer: string, isOrdered = false): Promise<void> => {
    await createInbox(pool, { schema, consumer, isOrdered });
    if (!isOrdered) await refuseParked(pool, { schema, consumer });
    if (adjusted.has(consumer)) return;
    // Once in a process: while another one asks for other bounds, they would change them in turns.
    adjusted.add(consumer);
    await adjustDurable(connection, addressOf(consumer), options);
  };
  return {
    ...{ identityKey, durableOf, tablesOf, historyOf, prepare },
    orderTablesOf: (consumer) => orderTables({ schema, consumer }),
    ...{ filtersOf: upkeep.filtersOf, keep: upkeep.keep, keyFigures: upkeep.figures },
    recreate: async (pattern, subjects = [], isOrdered = false) => {
      await prepare(pattern, isOrdered);
      await createDurable(connection, addressOf(pattern), { ackWaitMs, ackPendingMax, subjects }, (stream) =>
        historyOf(pattern, { leavesGaps: false }).beginning(stream),
      );
    },
  };
}
