/** What the database knows of the stream's history, as a consumer of the worker has to see it. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { StreamWitness } from '#broker';
import type { StreamHistory } from '#idempotent-consumer';
import type { Logger } from '#observability';
import { consumerStart, currentIncarnation, type Incarnation, noteConsumerStart } from '#store';

/** Whose history. */
export interface HistoryOptions {
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly stream: string;
  /** The inbox of the consumer. */
  readonly inbox: string;
  readonly logger: Logger;
}

/** Compares the stream with the database, and tells where the consumer has to be. */
export function streamHistory({ connection, pool, stream, inbox, logger }: HistoryOptions): StreamHistory {
  const witness = new StreamWitness(connection, stream);
  let current: Incarnation | undefined;
  return {
    incarnation: async ({ name, identity }) => {
      current = await currentIncarnation(pool, { name, identity }, witness, (found) => {
        logger.error(
          { stream: name, ...found },
          'the stream has lost messages that the database has: registering a new incarnation; what follows them is read again',
        );
      });
      return current;
    },
    startOf: async (_incarnation, consumer) =>
      current && consumerStart(pool, current, inbox, consumer, witness),
    started: async (_incarnation, seq) => {
      if (current) await noteConsumerStart(pool, current, inbox, seq);
    },
  };
}
