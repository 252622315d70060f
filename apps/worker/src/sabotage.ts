/**
 * Ways for a worker to be wrong, one at a time: what the judge must find, or its verdicts mean nothing.
 *
 * Each stands for a mistake that is really made, and nothing else about the worker is changed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import {
  BatchContext,
  BatchProcessor,
  type Delivery,
  type Effect,
  ForeignSequenceError,
  Inbox,
  type InboxTables,
  type Message,
  OncePerEvent,
  type Outcome,
  type PullConsumerOptions,
  type Transaction,
} from '#idempotent-consumer';
import { createPool, incarnationOf, type Queryable } from '#store';
import { AccountKeeper, ACCOUNTS_CONSUMER } from './account-keeper.js';
import type { TransportChange } from './bootstrap.js';
import { EventRecorder, STORE_CONSUMER } from './event-recorder.js';

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
  ['no-inbox', { transport: noInbox }],
  ['drop-bad-batch', { transport: dropBadBatch }],
  ['believe-sequences', { transport: believeSequences }],
]);

const EFFECT_TO_COMMIT_MS = 50;
const CONSUMERS = 2;
const UNMAKE_LOCK = 7_365_101;

/**
 * The mistake: acknowledging a message when it arrives, as auto-ack does. Whoever dies before the commit has lost
 * it. Only the first answer to a delivery leaves, so what the consumer answers later is not heard. An honest worker reads
 * again what was acknowledged and is not stored; this one does not look.
 */
function ackBeforeCommit(options: PullConsumerOptions<SekaliEvent>): PullConsumerOptions<SekaliEvent> {
  return {
    ...options,
    decode: (delivery) => {
      delivery.ack();
      return options.decode(delivery);
    },
    historyOf: (pattern) => ({ ...options.historyOf(pattern), startOf: () => Promise.resolve(undefined) }),
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
 * The mistake: no inbox. Every delivery takes effect, and writes down that it did; the keys' constraints, which would
 * refuse that, are gone for every worker of this database, and stay gone.
 */
function noInbox(options: PullConsumerOptions<SekaliEvent>): PullConsumerOptions<SekaliEvent> {
  const prototype = Inbox.prototype as unknown as { store: StoreStep };
  prototype.store = async function (transaction, messages, outcomes) {
    if (messages.length === 0) return;
    await transaction.query(INSERT_KEYS(this.tables.key), [
      transaction.streamId,
      messages.map(({ topic }) => topic),
      messages.map(({ eventId }) => eventId),
      messages.map(({ delivery }) => delivery.seq),
      messages.map(({ digest }) => digest.toString()),
    ]);
    await this.effect.apply(messages, transaction);
    for (const { delivery } of messages) outcomes.set(delivery.seq, { kind: 'stored' });
  };
  return {
    ...options,
    prepare: async (pattern) => {
      await options.prepare(pattern);
      await options.pool.query(withoutConstraints(options.tablesOf(pattern).key));
    },
  };
}

/** The step of an inbox that claims ids and applies the effect. */
type StoreStep = (
  this: { readonly tables: InboxTables; readonly effect: Effect<unknown> },
  transaction: Transaction,
  messages: readonly Message<unknown>[],
  outcomes: Map<number, Outcome>,
) => Promise<void>;

const INSERT_KEYS = (table: string): string => `
INSERT INTO ${table} (stream_id, topic, event_id, seq, digest)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])`;

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
function dropBadBatch(options: PullConsumerOptions<SekaliEvent>): PullConsumerOptions<SekaliEvent> {
  const { prototype } = BatchProcessor;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called below on the processor it is taken from
  const process = prototype.process;
  prototype.process = async function (
    this: BatchProcessor<unknown>,
    streamId: number,
    deliveries: readonly Delivery[],
  ): Promise<Map<number, Outcome>> {
    const allGood = deliveries.every((delivery) => options.decode(delivery).ok);
    if (allGood) return process.call(this, streamId, deliveries);
    return new Map(deliveries.map(({ seq }) => [seq, { kind: 'settled' }]));
  };
  return options;
}

/**
 * The mistake: a sequence is taken for the message that it was once. No history is compared with the stream's, and what
 * comes under a sequence that is known as another message counts as processed: it is acknowledged and stored nowhere.
 */
function believeSequences(options: PullConsumerOptions<SekaliEvent>): PullConsumerOptions<SekaliEvent> {
  const { prototype } = BatchProcessor;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called below on the processor it is taken from
  const { process, processSuspect } = prototype;
  prototype.process = async function (
    this: BatchProcessor<unknown>,
    streamId: number,
    deliveries: readonly Delivery[],
  ): Promise<Map<number, Outcome>> {
    return process.call(this, streamId, deliveries).catch(asProcessed(deliveries));
  };
  prototype.processSuspect = async function (
    this: BatchProcessor<unknown>,
    streamId: number,
    delivery: Delivery,
  ): Promise<Map<number, Outcome>> {
    return processSuspect.call(this, streamId, delivery).catch(asProcessed([delivery]));
  };
  return {
    ...options,
    historyOf: () => ({
      incarnation: (stream) => incarnationOf(options.pool, stream),
      startOf: () => Promise.resolve(undefined),
      started: () => Promise.resolve(),
    }),
  };
}

function asProcessed(deliveries: readonly Delivery[]): (error: unknown) => Map<number, Outcome> {
  return (error) => {
    if (!(error instanceof ForeignSequenceError)) throw error;
    return new Map(deliveries.map(({ seq }) => [seq, { kind: 'settled' }]));
  };
}
