/** Where the consumer and its inbox are. The service and the preparation agree on it here. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { STREAM_IDENTITY_METADATA } from '#broker';
import type { AccountsSettings } from '#config';
import { type KeyLog, ownInboxes, type OwnInboxes } from '#idempotent-consumer';

/** The schema of the inbox. Schema `accounts` has the balances. */
export const INBOX_SCHEMA = 'accounts_inbox';

/**
 * The inbox of the balances, on a connection and a pool that the caller closes.
 *
 * @param log receives what the upkeep of its keys does; without it, nothing is logged
 */
export function inboxesOf(
  settings: AccountsSettings,
  connection: NatsConnection,
  pool: Pool,
  log?: KeyLog,
): OwnInboxes {
  return ownInboxes({
    connection,
    pool,
    stream: settings.SEKALI_STREAM,
    schema: INBOX_SCHEMA,
    identityKey: STREAM_IDENTITY_METADATA,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
    ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
    ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
    generationBytesMax: settings.SEKALI_KEY_GENERATION_BYTES,
    filterBytesMax: settings.SEKALI_KEY_FILTER_BYTES_MAX,
    ...(log && { log }),
  });
}
