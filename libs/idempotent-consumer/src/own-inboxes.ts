/** Everything that consumers need besides a pool and a connection: inboxes of their own, and durable consumers. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { createDurable, type DurableShape } from './jetstream/durable-creation.js';
import { JetStreamWitness } from './jetstream/jetstream-witness.js';
import { createInbox } from './postgres/create-inbox.js';
import type { DifferingHistory } from './postgres/divergence.js';
import { InboxHistory } from './postgres/inbox-history.js';
import { inboxTables, type InboxTables } from './postgres/inbox-tables.js';
import type { Coverage, StreamHistory } from './stream-history.js';

/** Where the inboxes are, and which stream they are for. */
export interface OwnInboxesOptions extends Partial<Pick<DurableShape, 'ackWaitMs' | 'ackPendingMax'>> {
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly stream: string;
  /** The schema of the inboxes; `inbox` when left out. It is created where it is missing. */
  readonly schema?: string;
  /** The durable consumer of a pattern; the pattern itself when left out. */
  readonly durableOf?: (pattern: string) => string;
  /** Key in the stream's metadata under which its identity stands; `identity` when left out. */
  readonly identityKey?: string;
  /** What the account of the connection calls JetStream's API; `$JS.API` when left out. */
  readonly apiPrefix?: string;
  /** Hears that the stream has lost messages that an inbox has. They are read again as far as the stream has others. */
  readonly onDiffering?: (pattern: string, found: DifferingHistory) => void;
}

/** The options of `PullConsumerStrategy` that are about inboxes. */
export interface OwnInboxes {
  readonly identityKey: string;
  readonly durableOf: (pattern: string) => string;
  readonly tablesOf: (pattern: string) => InboxTables;
  readonly historyOf: (pattern: string, coverage: Coverage) => StreamHistory;
  readonly prepare: (pattern: string) => Promise<void>;
  readonly recreate: (pattern: string) => Promise<void>;
}

const ACK_WAIT_MS = 15_000;
const ACK_PENDING_MAX = 20_000;

/**
 * Gives each consumer an inbox of its own, and creates what is missing: schema, tables, durable consumer. Spread it into the
 * options of the transport:
 *
 *   const at = { connection, pool, stream: 'PAYMENTS' };
 *   new PullConsumerStrategy({ ...at, ...ownInboxes(at) });
 *
 * A consumer whose name no inbox can have is refused when the transport starts, with an `InboxNameError`.
 */
export function ownInboxes(options: OwnInboxesOptions): OwnInboxes {
  const { connection, pool, stream, schema, apiPrefix, identityKey = 'identity' } = options;
  const { durableOf = (pattern) => pattern, onDiffering } = options;
  const { ackWaitMs = ACK_WAIT_MS, ackPendingMax = ACK_PENDING_MAX } = options;
  const tablesOf = (consumer: string): InboxTables => inboxTables({ schema, consumer });
  const historyOf = (pattern: string, { leavesGaps }: Coverage): InboxHistory =>
    new InboxHistory({
      pool,
      tables: tablesOf(pattern),
      witness: new JetStreamWitness(connection, stream, apiPrefix),
      leavesGaps,
      ...(onDiffering && { onDiffering: (found) => onDiffering(pattern, found) }),
    });
  const prepare = async (consumer: string): Promise<void> => {
    await createInbox(pool, { schema, consumer });
  };
  return {
    ...{ identityKey, durableOf, tablesOf, historyOf, prepare },
    recreate: async (pattern) => {
      await prepare(pattern);
      await createDurable(
        connection,
        { stream, consumer: durableOf(pattern), identityKey, ...(apiPrefix !== undefined && { apiPrefix }) },
        { ackWaitMs, ackPendingMax },
        (sight) => historyOf(pattern, { leavesGaps: false }).beginning(sight),
      );
    },
  };
}
