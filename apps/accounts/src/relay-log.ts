/** What the relay reports, as log lines. */
import type { RelayEvent } from '#idempotent-consumer/producer';
import type { Logger } from '#observability';

/** Creates the observer that logs what an operator has to know. The rest is for debugging. */
export function relayLog(logger: Logger): (event: RelayEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'leading':
        logger.info('this relay publishes the payments');
        return;
      case 'dead-letter':
        logger.warn(
          { topic: event.topic, event_id: event.eventId, reason: event.reason },
          'dead letter of the outbox',
        );
        return;
      case 'not-taken':
        logger.warn({ events: event.events, reason: event.reason }, 'events were not taken; trying again');
        return;
      case 'transactions-open':
        logger.warn({ ranges: event.ranges }, 'transactions take long; new payments wait for them');
        return;
      case 'failed':
        logger.warn({ err: event.error }, 'the relay was interrupted; trying again');
        return;
      default:
        logger.debug({ event: event.type }, 'relay');
    }
  };
}
