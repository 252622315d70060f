/** Logs the events of a consumer. */
import type { ConsumerEvent, Observer } from '#idempotent-consumer';
import { errorText, type Logger } from '#observability';

/** Creates the observer that logs for one consumer. */
export function consumerLog(logger: Logger, consumer: string): Observer {
  const log = logger.child({ consumer });
  return (event) => {
    switch (event.type) {
      case 'committed':
        log.trace(rangeOf(event.seqs), 'batch committed');
        return;
      case 'session-opened':
        log.info({ stream: event.stream, identity: event.identity }, 'pulling');
        return;
      case 'session-lost':
        log.warn({ reason: event.reason }, 'pulling was interrupted; checking the consumer again');
        return;
      case 'store-went-back':
      case 'put-back':
      case 'given-back':
        logRepetition(log, event);
        return;
      case 'moved':
        if (event.reached) log.info({ broker: event.broker }, "connected to the consumer's leader");
        else log.warn({ broker: event.broker }, "the consumer's leader was not reached; staying here");
        return;
      case 'divided':
      case 'isolated':
      case 'dead-letter':
      case 'failed':
      case 'late-statement':
      case 'batch-failed':
      case 'parked-full':
      case 'parked-failed':
        logTrouble(log, event);
        return;
      case 'outage-began':
        log.warn({ reason: errorText(event.error) }, 'Postgres is out of reach; waiting');
        return;
      case 'outage-ended':
        log.info({ seconds: event.seconds }, 'Postgres is back');
        return;
      case 'defect-began':
      case 'defect-continues':
      case 'defect-ended':
        logDefect(log, event);
        return;
      default:
        event satisfies never;
    }
  };
}

type RepetitionEvent = Extract<
  ConsumerEvent,
  { readonly type: 'store-went-back' | 'put-back' | 'given-back' }
>;

/** Logs what is delivered again, and why. */
function logRepetition(log: Logger, event: RepetitionEvent): void {
  switch (event.type) {
    case 'store-went-back':
      log.error(
        {
          ...{ first: event.firstSeq, last: event.lastSeq, missing: event.missing },
          published: event.publishedAt,
        },
        'the database went back in time: messages that were acknowledged have no row; everything from the first on is delivered again',
      );
      return;
    case 'put-back':
      log.warn({ seq: event.seq }, 'the consumer was put back: it delivers again from here on');
      return;
    case 'given-back':
      log.warn(
        { first: event.firstSeq, last: event.lastSeq },
        'deliveries stayed unsettled beyond the ack wait; they are delivered again',
      );
      return;
  }
}

type TroubleEvent = Extract<
  ConsumerEvent,
  {
    readonly type:
      | 'divided'
      | 'isolated'
      | 'dead-letter'
      | 'failed'
      | 'late-statement'
      | 'batch-failed'
      | 'parked-full'
      | 'parked-failed';
  }
>;

function rangeOf(seqs: readonly number[]): object {
  return { size: seqs.length, first: seqs[0], last: seqs.at(-1) };
}

/** The members of a line by which an event is found. */
function namesOf({
  seq,
  topic,
  eventId,
}: Extract<ConsumerEvent, { readonly type: 'dead-letter' | 'failed' }>): object {
  return { seq, topic, event_id: eventId };
}

/** Logs what went wrong with one event or several. */
function logTrouble(log: Logger, event: TroubleEvent): void {
  switch (event.type) {
    case 'divided':
      log.warn({ size: event.size, reason: errorText(event.error) }, 'the batch was refused; dividing it');
      return;
    case 'isolated':
      log.warn(
        { seq: event.seq, deliveries: event.deliveries },
        'a process may have ended over this event; it is processed alone',
      );
      return;
    case 'dead-letter':
      // Its detail may quote the payload; `GET /dead-letters` has it.
      log.warn({ ...namesOf(event), reason: event.reason }, 'dead letter');
      return;
    case 'failed':
      log.error(
        { ...namesOf(event), attempts: event.attempts, err: event.error },
        'the effect of one event failed',
      );
      return;
    case 'late-statement':
      log.error({ err: event.error }, 'a handler sent a statement after its end; it was not carried out');
      return;
    case 'batch-failed':
      log.error({ size: event.size, err: event.error }, 'a batch failed; it is delivered again');
      return;
    case 'parked-full':
      log.error(
        { parked: event.parkedMax },
        'no more events may wait for their turn; nothing is taken until some are decided',
      );
      return;
    case 'parked-failed':
      log.error(
        { err: event.error },
        'events that wait for their turn could not be decided; they are tried again',
      );
      return;
  }
}

type DefectEvent = Extract<ConsumerEvent, { readonly type: `defect-${string}` }>;

function logDefect(log: Logger, event: DefectEvent): void {
  if (event.type === 'defect-ended') {
    log.info({ seconds: event.seconds }, 'events are stored again');
    return;
  }
  const seconds = event.type === 'defect-continues' ? event.seconds : 0;
  log.error(
    { seconds, err: event.error },
    'no event can be stored: repair the schema, the privileges or the effect; all messages are kept and wait',
  );
}
