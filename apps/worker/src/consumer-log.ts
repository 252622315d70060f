/** What a consumer tells about itself, as log lines. */
import type { Observer } from '#idempotent-consumer';
import type { Logger } from '#observability';

/** Makes the observer that logs for one consumer. */
export function consumerLog(logger: Logger, consumer: string): Observer {
  const log = logger.child({ consumer });
  return (event) => {
    switch (event.type) {
      case 'committed':
        log.trace({ size: event.seqs.length }, 'batch committed');
        return;
      case 'session-opened':
        log.info({ stream: event.stream, identity: event.identity }, 'pulling');
        return;
      case 'session-lost':
        log.warn({ reason: event.reason }, 'pulling interrupted; looking at the consumer again');
        return;
      case 'put-back':
        log.warn({ seq: event.seq }, 'the consumer was put back: it delivers again from here on');
        return;
      case 'moved':
        if (event.reached) log.info({ broker: event.broker }, "connected to the consumer's leader");
        else log.warn({ broker: event.broker }, "the consumer's leader was not met; staying where we are");
        return;
      case 'divided':
        log.warn({ size: event.size, reason: String(event.error) }, 'batch refused; dividing it');
        return;
      case 'dead-letter':
        log.warn({ seq: event.seq, reason: event.reason, detail: event.detail }, 'dead letter');
        return;
      case 'failed':
        log.error(
          { seq: event.seq, attempts: event.attempts, err: event.error },
          'the effect of one event failed',
        );
        return;
      case 'batch-failed':
        log.error({ size: event.size, err: event.error }, 'a batch failed; it is delivered again');
        return;
      case 'outage-began':
        log.warn({ reason: String(event.error) }, 'Postgres is out of reach; waiting');
        return;
      case 'outage-ended':
        log.info({ seconds: event.seconds }, 'Postgres is back');
        return;
      default:
        event satisfies never;
    }
  };
}
