import type { Delivery } from './delivery.js';
import type { Outcome, Postponed } from './outcome.js';

/**
 * Answers the broker for one delivery. No other code does.
 *
 * The answer is sent after the commit. A process that dies in between costs one redelivery, whose outcome is
 * `already-processed`. Plain acks suffice, because a lost ack costs the same.
 */
export function settle(delivery: Delivery, outcome: Exclude<Outcome, Postponed>): void {
  switch (outcome.kind) {
    case 'stored':
    case 'duplicate':
    case 'already-processed':
    case 'ignored':
    case 'parked':
      delivery.ack();
      return;
    case 'dead-letter':
      delivery.term(outcome.reason);
      return;
    case 'retry':
      // Without a delay the broker would redeliver at once, as fast as the message can fail.
      delivery.nak(Math.max(1, outcome.delayMs));
      return;
    default:
      outcome satisfies never;
  }
}
