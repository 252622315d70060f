/** Puts the transport together from the settings. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import type { AccountsSettings } from '#config';
import { PullConsumerStrategy } from '#idempotent-consumer';
import { validTopicOf } from '#contracts';
import type { Logger } from '#observability';
import { ConsumerProgram } from '#observability/metrics';
import { consumerLog } from './consumer-log.js';
import { inboxesOf } from './inboxes.js';
import { payloadDecoder } from './payload-decoder.js';

/** The bound on a transaction, which the connections of the pool carry. */
export const TRANSACTION_MS_MAX = 8_000;

/** Creates the metrics of the service from its settings. */
export function accountsMetrics(settings: AccountsSettings, pool: Pool): ConsumerProgram {
  return new ConsumerProgram({
    program: 'accounts',
    host: settings.SEKALI_METRICS_HOST,
    hosts: settings.SEKALI_METRICS_HOSTS,
    port: settings.SEKALI_METRICS_PORT,
    pool,
    topicOf: (subject) => validTopicOf(settings.SEKALI_SUBJECT_PREFIX, subject),
  });
}

/** Creates the transport, on a connection and a pool that the caller closes after it. */
export function createTransport(
  settings: AccountsSettings,
  connection: NatsConnection,
  pool: Pool,
  logger: Logger,
  metrics: ConsumerProgram,
): PullConsumerStrategy<unknown> {
  const inboxes = inboxesOf(settings, connection, pool, logger);
  metrics.watchKeys(inboxes.keyFigures);
  return new PullConsumerStrategy({
    connection,
    pool,
    stream: settings.SEKALI_STREAM,
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    replyPrefix: settings.SEKALI_NATS_REPLY_PREFIX,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
    ...inboxes,
    decode: payloadDecoder(settings.SEKALI_SUBJECT_PREFIX, settings.SEKALI_EVENT_BYTES_MAX),
    observerOf: (pattern) => {
      const [meter, log] = [metrics.meter(pattern), consumerLog(logger)];
      return (event) => {
        meter?.happened(event);
        log(event);
      };
    },
    deciderOf: (pattern, decider) => metrics.meter(pattern)?.decider(decider) ?? decider,
    settings: { transactionMsMax: TRANSACTION_MS_MAX },
  });
}
