/**
 * What an owner creates before the service can run: schemas, tables, the rights of its role, and the durable consumer.
 *
 * The service itself may create nothing. In the database it has a role that reads and writes these tables, and on the
 * brokers a user that takes deliveries of this one consumer.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import type { AccountsSettings } from '#config';
import { createInbox } from '#idempotent-consumer';
import { BALANCES, PAYMENTS } from './balances.js';
import { INBOX_SCHEMA, inboxesOf } from './inboxes.js';
import { OUTBOX_SCHEMA, paymentOutbox } from './payment-outbox.js';

/** The role of the service. Where it does not exist, nothing is granted. */
export const ROLE = 'sekali_accounts';

const SCHEMA = 'CREATE SCHEMA IF NOT EXISTS accounts';

const TABLES = `
CREATE TABLE IF NOT EXISTS accounts.payment (
  id text COLLATE "C" PRIMARY KEY,
  account text COLLATE "C" NOT NULL,
  amount bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts.balance (
  account text COLLATE "C" PRIMARY KEY,
  amount bigint NOT NULL,
  payments bigint NOT NULL
)`;

const RIGHTS = `
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${ROLE}') THEN
    GRANT USAGE ON SCHEMA accounts, ${INBOX_SCHEMA}, ${OUTBOX_SCHEMA} TO ${ROLE};
    GRANT SELECT, INSERT, UPDATE ON accounts.balance TO ${ROLE};
    GRANT SELECT, INSERT ON accounts.payment TO ${ROLE};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${OUTBOX_SCHEMA} TO ${ROLE};
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ${OUTBOX_SCHEMA} TO ${ROLE};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${INBOX_SCHEMA} TO ${ROLE};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${INBOX_SCHEMA} TO ${ROLE};
  END IF;
END
$$`;

/** Creates the tables that are missing, and gives the role of the service its rights. Repeatable. */
export async function prepareDatabase(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
  await pool.query(TABLES);
  await paymentOutbox.create(pool);
  await createInbox(pool, { schema: INBOX_SCHEMA, consumer: BALANCES });
  await pool.query(RIGHTS);
}

/** Creates the durable consumer where it is missing. It begins with the first payment that is not in the inbox. */
export async function prepareConsumer(
  settings: AccountsSettings,
  connection: NatsConnection,
  pool: Pool,
): Promise<void> {
  const subjects = [`${settings.SEKALI_SUBJECT_PREFIX}.${PAYMENTS}`];
  await inboxesOf(settings, connection, pool).recreate(BALANCES, subjects);
}
