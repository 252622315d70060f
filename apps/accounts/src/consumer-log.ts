/** What the consumer reports, as log lines. */
import type { Observer } from '#idempotent-consumer';
import { errorText, type Logger } from '#observability';

/** Creates the observer that logs what an operator has to know. The rest is for debugging. */
export function consumerLog(logger: Logger): Observer {
  return (event) => {
    switch (event.type) {
      case 'session-opened':
        logger.info({ stream: event.stream }, 'pulling');
        return;
      case 'session-lost':
        logger.warn({ reason: event.reason }, 'pulling was interrupted; trying again');
        return;
      case 'store-went-back':
        logger.error(
          { first: event.firstSeq, last: event.lastSeq, missing: event.missing },
          'the database went back in time; what it lacks is delivered again',
        );
        return;
      case 'put-back':
        logger.warn({ seq: event.seq }, 'the consumer was put back: it delivers again from here on');
        return;
      case 'dead-letter':
        // Its detail may quote the payment.
        logger.warn({ seq: event.seq, event_id: event.eventId, reason: event.reason }, 'dead letter');
        return;
      case 'failed':
        logger.error(
          { seq: event.seq, event_id: event.eventId, attempts: event.attempts, err: event.error },
          'a payment failed',
        );
        return;
      case 'outage-began':
        logger.warn({ reason: errorText(event.error) }, 'Postgres cannot be reached; waiting');
        return;
      case 'outage-ended':
        logger.info({ seconds: event.seconds }, 'Postgres is back');
        return;
      default:
        logger.debug({ event: event.type }, 'consumer');
    }
  };
}
