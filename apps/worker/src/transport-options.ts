/** Builds the transport from the settings. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { ensureConsumer, STREAM_IDENTITY_METADATA } from '#broker';
import type { WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import type { PullConsumerOptions } from '#idempotent-consumer';
import type { Logger } from '#observability';
import { beginConsumer, createInbox, SEKALI_LEDGER, storeInboxTables } from '#store';
import { consumerLog } from './consumer-log.js';
import { eventDecoder } from './event-decoder.js';
import { payloadComparison, STORE_CONSUMER } from './event-recorder.js';
import { historyOf } from './stream-history.js';
import { TopicBound } from './topic-bound.js';

const RETRY_DELAY_MS = 1_000;
/** Only large events reach these bounds: a thousand of 256 KiB would be a statement of 256 MB. */
const BATCH_BYTES_MAX = 8_388_608;
const PREFETCH_BYTES_MAX = 33_554_432;

/** The transport's options. Those that tests or the judge change are required. */
export type WorkerTransport = PullConsumerOptions<SekaliEvent> &
  Required<
    Pick<
      PullConsumerOptions<SekaliEvent>,
      'decode' | 'historyOf' | 'tablesOf' | 'prepare' | 'observerOf' | 'settings'
    >
  >;

/**
 * Builds the options of the worker's transport.
 *
 * @param connection the connection to the brokers, which the caller closes after the transport
 * @param pool the pool of all its consumers, which the caller ends after the transport
 */
export function transportOptions(
  settings: WorkerSettings,
  connection: NatsConnection,
  pool: Pool,
  logger: Logger,
): WorkerTransport {
  const durableOf = (pattern: string): string =>
    pattern === STORE_CONSUMER ? settings.SEKALI_CONSUMER : pattern;
  const topics = new TopicBound(settings, pool);
  return {
    connection,
    pool,
    replyPrefix: settings.SEKALI_NATS_REPLY_PREFIX,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
    stream: settings.SEKALI_STREAM,
    identityKey: STREAM_IDENTITY_METADATA,
    decode: topics.decoder(eventDecoder(settings.SEKALI_SUBJECT_PREFIX, settings.SEKALI_EVENT_BYTES_MAX)),
    deciderOf: (_pattern, decider) => topics.decider(decider),
    settings: boundsOf(settings),
    durableOf,
    tablesOf: storeInboxTables,
    comparisonOf: (pattern) => (pattern === STORE_CONSUMER ? payloadComparison : {}),
    historyOf: (inbox, coverage) => historyOf(settings, { connection, pool, inbox, coverage, logger }),
    prepare: (pattern) => prepareInbox(pool, pattern),
    recreate: async (pattern) => {
      await ensureConsumer(
        connection,
        {
          name: durableOf(pattern),
          stream: settings.SEKALI_STREAM,
          ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
          ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
        },
        async (stream, firstSeq) => {
          await prepareInbox(pool, pattern);
          const incarnation = await SEKALI_LEDGER.registry.of(pool, stream);
          return beginConsumer(pool, incarnation, pattern, firstSeq);
        },
      );
    },
    observerOf: (pattern) => consumerLog(logger, durableOf(pattern)),
  };
}

async function prepareInbox(pool: Pool, pattern: string): Promise<void> {
  if (pattern !== STORE_CONSUMER) await createInbox(pool, pattern);
}

/** The bounds of each consumer: sizes of batches, prefetching, attempts and times. */
function boundsOf(settings: WorkerSettings): WorkerTransport['settings'] {
  return {
    batchSize: settings.SEKALI_BATCH_SIZE,
    batchBytes: BATCH_BYTES_MAX,
    batchWaitMs: settings.SEKALI_BATCH_WAIT_MS,
    batchesInFlight: settings.SEKALI_BATCHES_IN_FLIGHT,
    prefetch: settings.SEKALI_PREFETCH,
    prefetchBytes: PREFETCH_BYTES_MAX,
    isolateAfterDeliveries: settings.SEKALI_ISOLATE_AFTER_DELIVERIES,
    attemptsMax: settings.SEKALI_ATTEMPTS_MAX,
    retryDelayMs: RETRY_DELAY_MS,
    // The worker does nothing but store, so a failure of every event is a defect of the store.
    probesStore: true,
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
    slowRemedy: `raise SEKALI_TRANSACTION_MS_MAX (now ${settings.SEKALI_TRANSACTION_MS_MAX}), or find out why it is slow`,
  };
}
