/**
 * Every answer to the broker.
 *
 * It is sent after the commit. A process that dies in between costs one redelivery, which the inbox turns into
 * `settled`. Plain acks suffice: a lost one costs the same.
 */
import type { Delivery } from './delivery.js';
import type { Outcome, Postponed } from './outcome.js';

/** Answers the broker for one delivery. */
export function settle(delivery: Delivery, outcome: Exclude<Outcome, Postponed>): void {
  switch (outcome.kind) {
    case 'stored':
    case 'duplicate':
    case 'settled':
    case 'ignored':
      delivery.ack();
      return;
    case 'dead-letter':
      delivery.term(outcome.reason);
      return;
    case 'retry':
      // Without a delay the broker would deliver it again at once, as fast as it can fail.
      delivery.nak(Math.max(1, outcome.delayMs));
      return;
    default:
      outcome satisfies never;
  }
}
