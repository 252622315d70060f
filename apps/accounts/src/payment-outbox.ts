/** The outbox of the payments. The till and the preparation agree on it here. */
import { Outbox } from '#idempotent-consumer/producer';
import { Payment } from './balances.js';

/** The schema of the outbox. */
export const OUTBOX_SCHEMA = 'accounts_outbox';

/** The topic of the payments that the till takes. */
export const PAYMENT_TOPIC = 'payments.till';

/** Where the till adds the event of each payment. */
export const paymentOutbox = new Outbox({
  schema: OUTBOX_SCHEMA,
  source: 'accounts',
  schemas: { [PAYMENT_TOPIC]: Payment },
});
