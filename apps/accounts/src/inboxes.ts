/** Where the consumer and its inbox are. The service and the preparation agree on it here. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { STREAM_IDENTITY_METADATA } from '#broker';
import type { AccountsSettings } from '#config';
import { ownInboxes, type OwnInboxes } from '#idempotent-consumer';

/** The schema of the inbox. Schema `accounts` has the balances. */
export const INBOX_SCHEMA = 'accounts_inbox';

/** The inbox of the balances, on a connection and a pool that the caller closes. */
export function inboxesOf(settings: AccountsSettings, connection: NatsConnection, pool: Pool): OwnInboxes {
  return ownInboxes({
    connection,
    pool,
    stream: settings.SEKALI_STREAM,
    schema: INBOX_SCHEMA,
    identityKey: STREAM_IDENTITY_METADATA,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
    ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
    ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
  });
}
