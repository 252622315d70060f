/**
 * Ways for a worker to be wrong, one at a time: what the judge must find, or its verdicts mean nothing.
 *
 * Each stands for a mistake that is really made, and nothing else about the worker is changed. All of them come in by
 * the ports of the consumer: its options, its effects and what decides on its deliveries.
 */
import { randomUUID } from 'node:crypto';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import {
  BatchContext,
  type Delivery,
  ForeignSequenceError,
  type Message,
  OncePerEvent,
  type Outcome,
} from '#idempotent-consumer';
import { createPool } from '#postgres';
import { incarnationOf, type Queryable, storeInboxTables } from '#store';
import { pause } from '#waiting';
import { AccountKeeper, ACCOUNTS_CONSUMER } from './account-keeper.js';
import type { TransportChange } from '../src/bootstrap.js';
import { EventRecorder, STORE_CONSUMER } from '../src/event-recorder.js';
import type { WorkerTransport } from '../src/transport-options.js';

/** What is wrong with a worker. What is left out is as it should be. */
export interface Sabotage {
  /** Controllers in place of the right ones. */
  readonly effects?: (settings: WorkerSettings) => Type[];
  readonly transport?: TransportChange;
}

/** Every sabotage, by its name. */
export const SABOTAGES: ReadonlyMap<string, Sabotage> = new Map<string, Sabotage>([
  ['ack-before-commit', { transport: ackBeforeCommit }],
  ['effect-outside-transaction', { effects: effectsOutsideTransaction }],
  ['no-inbox', { effects: effectsOfUnseenIds, transport: noInbox }],
  ['drop-bad-batch', { transport: dropBadBatch }],
  ['believe-sequences', { transport: believeSequences }],
]);

const EFFECT_TO_COMMIT_MS = 50;
const CONSUMERS = 2;
const UNMAKE_LOCK = 7_365_101;
/** With what an id begins that a delivery was given by `no-inbox`. */
const UNSEEN_ID = 'unseen-';

/**
 * The mistake: acknowledging a message when it arrives, as auto-ack does. Whoever dies before the commit has lost
 * it. Only the first answer to a delivery leaves, so what the consumer answers later is not heard. An honest worker reads
 * again what was acknowledged and is not stored; this one does not look.
 */
function ackBeforeCommit(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    decode: (delivery) => {
      delivery.ack();
      return options.decode(delivery);
    },
    historyOf: (pattern, coverage) => ({
      ...options.historyOf(pattern, coverage),
      startOf: () => Promise.resolve(undefined),
    }),
  };
}

/**
 * The mistake: a handler that writes through a repository of its own instead of the transaction it was given. What
 * it wrote stays when the keys do not, and the redelivery writes it again.
 */
function effectsOutsideTransaction(settings: WorkerSettings): Type[] {
  // Not the worker's pool: its transactions would wait for connections that they hold themselves.
  const outside = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-worker',
    connectionsMax: CONSUMERS * settings.SEKALI_BATCHES_IN_FLIGHT,
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
  });
  const recorder = new EventRecorder();
  const keeper = new AccountKeeper();

  @Controller()
  class EffectsOutsideTransaction {
    @OncePerEvent(STORE_CONSUMER, { batch: true })
    async record(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await recorder.record(fresh, contextOn(outside, context));
      await pause(EFFECT_TO_COMMIT_MS);
    }

    @OncePerEvent(ACCOUNTS_CONSUMER, { batch: true })
    async add(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await keeper.add(fresh, contextOn(outside, context));
      await pause(EFFECT_TO_COMMIT_MS);
    }
  }
  return [EffectsOutsideTransaction];
}

/** The same context, except that each statement commits by itself. */
function contextOn(database: Queryable, { consumer, transaction }: BatchContext): BatchContext {
  return new BatchContext(consumer, {
    streamId: transaction.streamId,
    query: (text, values) => database.query(text, values),
  });
}

/**
 * The mistake: no inbox. Every delivery comes under an id that nothing has, so it takes effect, and writes down that it
 * did. The keys' constraints, which would refuse the rest, are gone for every worker of this database, and stay gone.
 */
function noInbox(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    decode: (delivery) => {
      const decoded = options.decode(delivery);
      if (!decoded.ok) return decoded;
      return { ok: true, message: { ...decoded.message, eventId: `${UNSEEN_ID}${randomUUID()}` } };
    },
    prepare: async (pattern) => {
      await options.prepare(pattern);
      await options.pool.query(withoutConstraints(options.tablesOf(pattern).key));
    },
  };
}

/** The right effects, and the key of each event under its own id again: it is the effect alone that is repeated. */
function effectsOfUnseenIds(): Type[] {
  const recorder = new EventRecorder();
  const keeper = new AccountKeeper();

  @Controller()
  class EffectsOfUnseenIds {
    @OncePerEvent(STORE_CONSUMER, { batch: true })
    async record(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await recorder.record(fresh, context);
      await giveBackIds(fresh, context);
    }

    @OncePerEvent(ACCOUNTS_CONSUMER, { batch: true })
    async add(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await keeper.add(fresh, context);
      await giveBackIds(fresh, context);
    }
  }
  return [EffectsOfUnseenIds];
}

async function giveBackIds(
  fresh: readonly Message<SekaliEvent>[],
  { consumer, transaction }: BatchContext,
): Promise<void> {
  const unseen = fresh.filter(({ eventId }) => eventId.startsWith(UNSEEN_ID));
  await transaction.query(giveBackStatement(storeInboxTables(consumer).key), [
    unseen.map(({ topic }) => topic),
    unseen.map(({ eventId }) => eventId),
    unseen.map(({ event }) => event.eventId),
  ]);
}

const giveBackStatement = (table: string): string => `
UPDATE ${table} AS key SET event_id = input.own_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS input (topic, unseen_id, own_id)
WHERE key.topic = input.topic AND key.event_id = input.unseen_id`;

/** One query, hence one transaction; the lock is for workers that start at once. */
function withoutConstraints(table: string): string {
  const index = table.replace('.', '_');
  return `
SELECT pg_advisory_xact_lock(${UNMAKE_LOCK});
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = '${table}'::regclass AND contype IN ('p', 'u') LOOP
    EXECUTE format('ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS %I', name);
  END LOOP;
END $$;
CREATE INDEX IF NOT EXISTS ${index}_identity ON ${table} (topic, event_id);
CREATE INDEX IF NOT EXISTS ${index}_sequence ON ${table} (stream_id, seq)`;
}

/**
 * The mistake: one `try` around the reading of a whole batch, whose `catch` gives the batch up so that a message
 * that cannot be read does not come again for ever. Its neighbours are acknowledged and stored nowhere.
 */
function dropBadBatch(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    deciderOf: (_pattern, right) => ({
      isSlow: (streamId, seq) => right.isSlow(streamId, seq),
      suspectsAmong: (streamId, deliveries) => right.suspectsAmong(streamId, deliveries),
      processSuspect: (streamId, delivery) => right.processSuspect(streamId, delivery),
      process: async (streamId, deliveries) => {
        const allGood = deliveries.every((delivery) => options.decode(delivery).ok);
        return allGood ? right.process(streamId, deliveries) : asProcessed(deliveries);
      },
    }),
  };
}

/**
 * The mistake: a sequence is taken for the message that it was once. No history is compared with the stream's, and what
 * comes under a sequence that is known as another message counts as processed: it is acknowledged and stored nowhere.
 */
function believeSequences(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    deciderOf: (_pattern, right) => ({
      isSlow: (streamId, seq) => right.isSlow(streamId, seq),
      process: (streamId, deliveries) => right.process(streamId, deliveries).catch(believing(deliveries)),
      suspectsAmong: (streamId, deliveries) => right.suspectsAmong(streamId, deliveries),
      processSuspect: (streamId, delivery) =>
        right.processSuspect(streamId, delivery).catch(believing([delivery])),
    }),
    historyOf: () => ({
      incarnation: (stream) => incarnationOf(options.pool, stream),
      startOf: () => Promise.resolve(undefined),
      started: () => Promise.resolve(),
    }),
  };
}

function believing(deliveries: readonly Delivery[]): (error: unknown) => Map<number, Outcome> {
  return (error) => {
    if (!(error instanceof ForeignSequenceError)) throw error;
    return asProcessed(deliveries);
  };
}

function asProcessed(deliveries: readonly Delivery[]): Map<number, Outcome> {
  return new Map(deliveries.map(({ seq }) => [seq, { kind: 'already-processed' }]));
}
