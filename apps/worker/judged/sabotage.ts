/**
 * Faults of a worker, one at a time. The judge must find each of them; otherwise its verdicts mean nothing.
 *
 * Each stands for a mistake that programs really have, and nothing else about the worker changes. All of them use the
 * ports of the consumer: its options, its effects and its decider.
 */
import { randomUUID } from 'node:crypto';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import { BatchContext, type Delivery, type Message, OncePerEvent, type Outcome } from '#idempotent-consumer';
import { ForeignSequenceError } from '#idempotent-consumer/parts';
import { createPool } from '#postgres';
import { type Queryable, SEKALI_LEDGER, storeInboxTables } from '#store';
import { pause } from '#waiting';
import { AccountKeeper, ACCOUNTS_CONSUMER } from './account-keeper.js';
import type { TransportChange } from '../src/bootstrap.js';
import { EventRecorder, STORE_CONSUMER } from '../src/event-recorder.js';
import type { WorkerTransport } from '../src/transport-options.js';

/** One fault of a worker. What is left out is correct. */
export interface Sabotage {
  /** Controllers that replace the correct ones. */
  readonly effects?: (settings: WorkerSettings) => Type[];
  readonly transport?: TransportChange;
}

/** Every sabotage by its name. */
export const SABOTAGES: ReadonlyMap<string, Sabotage> = new Map<string, Sabotage>([
  ['ack-before-commit', { transport: ackBeforeCommit }],
  ['effect-outside-transaction', { effects: effectsOutsideTransaction }],
  ['no-inbox', { effects: effectsOfUnseenIds, transport: noInbox }],
  ['drop-bad-batch', { transport: dropBadBatch }],
  ['believe-sequences', { transport: believeSequences }],
  ['late-keys', { transport: lateKeys }],
  ['forgetful-filters', { transport: forgetfulFilters }],
]);

const EFFECT_TO_COMMIT_MS = 50;
const CONSUMERS = 2;
const DROP_LOCK = 7_365_101;
/** The beginning of the ids that `no-inbox` gives to deliveries. */
const UNSEEN_ID = 'unseen-';

/**
 * The fault: a message is acknowledged when it arrives, as auto-ack does. A worker that dies before the commit has lost
 * it. Only the first answer to a delivery is sent, so the consumer's later answer has no effect. A correct worker reads
 * again what was acknowledged and is not stored; this one does not check.
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
 * The fault: a handler writes through a repository of its own instead of the transaction that it gets. Its writes stay
 * when the keys are rolled back, and the redelivery writes them again.
 */
function effectsOutsideTransaction(settings: WorkerSettings): Type[] {
  // In the worker's pool, transactions would wait for connections that they hold themselves.
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

/** Returns the same context, except that each statement commits by itself. */
function contextOn(database: Queryable, { consumer, transaction }: BatchContext): BatchContext {
  return new BatchContext(consumer, {
    streamId: transaction.streamId,
    query: (statement, values) =>
      database.query(typeof statement === 'string' ? statement : statement.text, values),
  });
}

/**
 * The fault: there is no inbox. Every delivery gets an unused id, so it takes effect and records that it did. The keys'
 * constraints would refuse the rest, so they are dropped for every worker of this database, and stay dropped.
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

/** Applies the correct effects, and restores the own id of each key, so that only the effect is repeated. */
function effectsOfUnseenIds(): Type[] {
  const recorder = new EventRecorder();
  const keeper = new AccountKeeper();

  @Controller()
  class EffectsOfUnseenIds {
    @OncePerEvent(STORE_CONSUMER, { batch: true })
    async record(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await recorder.record(fresh, context);
      await restoreIds(fresh, context);
    }

    @OncePerEvent(ACCOUNTS_CONSUMER, { batch: true })
    async add(@Payload() fresh: Message<SekaliEvent>[], @Ctx() context: BatchContext): Promise<void> {
      await keeper.add(fresh, context);
      await restoreIds(fresh, context);
    }
  }
  return [EffectsOfUnseenIds];
}

async function restoreIds(
  fresh: readonly Message<SekaliEvent>[],
  { consumer, transaction }: BatchContext,
): Promise<void> {
  const unseen = fresh.filter(({ eventId }) => eventId.startsWith(UNSEEN_ID));
  await transaction.query(restoreStatement(storeInboxTables(consumer).key), [
    unseen.map(({ topic }) => topic),
    unseen.map(({ eventId }) => eventId),
    unseen.map(({ event }) => event.eventId),
  ]);
}

const restoreStatement = (table: string): string => `
UPDATE ${table} AS key SET event_id = input.own_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS input (topic, unseen_id, own_id)
WHERE key.topic = input.topic AND key.event_id = input.unseen_id`;

/** The statements are one query, and so one transaction. The lock is for workers that start at the same time. */
function withoutConstraints(table: string): string {
  const index = table.replace('.', '_');
  return `
SELECT pg_advisory_xact_lock(${DROP_LOCK});
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
 * The fault: one `try` surrounds the reading of a whole batch. Its `catch` gives the batch up, so that an unreadable
 * message is not delivered for ever. The neighbours are acknowledged and stored nowhere.
 */
function dropBadBatch(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    deciderOf: (_pattern, correct) => ({
      isSlow: (streamId, seq) => correct.isSlow(streamId, seq),
      suspectsAmong: (streamId, deliveries) => correct.suspectsAmong(streamId, deliveries),
      processSuspect: (streamId, delivery) => correct.processSuspect(streamId, delivery),
      process: async (streamId, deliveries) => {
        const allGood = deliveries.every((delivery) => options.decode(delivery).ok);
        return allGood ? correct.process(streamId, deliveries) : asProcessed(deliveries);
      },
    }),
  };
}

/**
 * The fault: a sequence is believed to be the message that it once was. No history is compared with the stream's. A
 * message under the sequence of another one counts as processed, so it is acknowledged and stored nowhere.
 */
function believeSequences(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    deciderOf: (_pattern, correct) => ({
      isSlow: (streamId, seq) => correct.isSlow(streamId, seq),
      process: (streamId, deliveries) => correct.process(streamId, deliveries).catch(believing(deliveries)),
      suspectsAmong: (streamId, deliveries) => correct.suspectsAmong(streamId, deliveries),
      processSuspect: (streamId, delivery) =>
        correct.processSuspect(streamId, delivery).catch(believing([delivery])),
    }),
    historyOf: () => ({
      incarnation: (stream) => SEKALI_LEDGER.registry.of(options.pool, stream),
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

/**
 * The fault: a closed generation of keys takes late ones, because nothing refuses them. Workers that believe in different
 * generations then claim the same id. The refusal is taken away for every worker of this database.
 */
function lateKeys(options: WorkerTransport): WorkerTransport {
  return {
    ...options,
    prepare: async (pattern) => {
      await options.prepare(pattern);
      await options.pool.query(REFUSE_NOTHING);
    },
  };
}

const REFUSE_NOTHING = `
SELECT pg_advisory_xact_lock(${DROP_LOCK});
CREATE OR REPLACE FUNCTION sekali.refuse_keys() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;

/** The fault: the filters of closed generations know no id, so a repeat from one of them is a new event. */
function forgetfulFilters(options: WorkerTransport): WorkerTransport {
  return { ...options, filtersOf: () => () => ({ suspectsOf: () => [] }) };
}

function asProcessed(deliveries: readonly Delivery[]): Map<number, Outcome> {
  return new Map(deliveries.map(({ seq }) => [seq, { kind: 'already-processed' }]));
}
