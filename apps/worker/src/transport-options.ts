/** Puts the transport together from the settings. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { ensureConsumer, STREAM_IDENTITY_METADATA } from '#broker';
import type { WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import type { PullConsumerOptions } from '#idempotent-consumer';
import type { Logger } from '#observability';
import { beginConsumer, createInbox, incarnationOf, storeInboxTables } from '#store';
import { consumerLog } from './consumer-log.js';
import { eventDecoder } from './event-decoder.js';
import { payloadComparison, STORE_CONSUMER } from './event-recorder.js';
import { historyOf } from './stream-history.js';

const RETRY_DELAY_MS = 1_000;
/** Only large events reach these: a thousand of 256 KiB would be a statement of 256 MB. */
const BATCH_BYTES_MAX = 8_388_608;
const PREFETCH_BYTES_MAX = 33_554_432;

/** The transport's options, as far as a test or the judge changes them. */
export type WorkerTransport = PullConsumerOptions<SekaliEvent> &
  Required<
    Pick<
      PullConsumerOptions<SekaliEvent>,
      'decode' | 'historyOf' | 'tablesOf' | 'prepare' | 'observerOf' | 'settings'
    >
  >;

/** What the worker's transport is made from, on a connection and a pool, which the caller closes after it. */
export function transportOptions(
  settings: WorkerSettings,
  connection: NatsConnection,
  pool: Pool,
  logger: Logger,
): WorkerTransport {
  const durableOf = (pattern: string): string =>
    pattern === STORE_CONSUMER ? settings.SEKALI_CONSUMER : pattern;
  return {
    connection,
    pool,
    replyPrefix: settings.SEKALI_NATS_REPLY_PREFIX,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
    stream: settings.SEKALI_STREAM,
    identityKey: STREAM_IDENTITY_METADATA,
    decode: eventDecoder(settings.SEKALI_SUBJECT_PREFIX, settings.SEKALI_EVENT_BYTES_MAX),
    settings: boundsOf(settings),
    durableOf,
    tablesOf: storeInboxTables,
    comparisonOf: (pattern) => (pattern === STORE_CONSUMER ? payloadComparison : {}),
    historyOf: (inbox) => historyOf(settings, { connection, pool, inbox, logger }),
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
          return beginConsumer(pool, await incarnationOf(pool, stream), pattern, firstSeq);
        },
      );
    },
    observerOf: (pattern) => consumerLog(logger, durableOf(pattern)),
  };
}

async function prepareInbox(pool: Pool, pattern: string): Promise<void> {
  if (pattern !== STORE_CONSUMER) await createInbox(pool, pattern);
}

/** How much of everything, and how often. */
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
    // Storing is all that the worker does: what fails alike for every event is a defect of the store.
    probesStore: true,
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
    slowRemedy: `raise SEKALI_TRANSACTION_MS_MAX (now ${settings.SEKALI_TRANSACTION_MS_MAX}), or find what makes it slow`,
  };
}
