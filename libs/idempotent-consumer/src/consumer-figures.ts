import type { ConsumerEvent, Observer } from './outcome.js';

/**
 * What a consumer did since the process began. Each figure only grows. An event may be counted more than
 * once, by this process and by others.
 */
export interface ConsumerCounts {
  /** Batches that were decided, and the milliseconds spent on them. */
  batches: number;
  batchMs: number;
  stored: number;
  /** Includes `conflicts`. */
  duplicates: number;
  conflicts: number;
  /** Redeliveries of messages that the inbox knew. Nothing changed. */
  alreadyProcessed: number;
  deadLetters: number;
  /** Deliveries that wait behind another one of their key. Each is counted once more when it is decided. */
  parked: number;
  /** Deliveries that will come again, for any reason. */
  retries: number;
  /** Failed attempts of single events. */
  failures: number;
  isolated: number;
  sessionsLost: number;
  outages: number;
}

/**
 * An observer that counts, for a program's metrics. Give `observe` to the transport, and read `counts` at any
 * time.
 */
export class ConsumerFigures {
  readonly counts: ConsumerCounts = {
    batches: 0,
    batchMs: 0,
    stored: 0,
    duplicates: 0,
    conflicts: 0,
    alreadyProcessed: 0,
    deadLetters: 0,
    parked: 0,
    retries: 0,
    failures: 0,
    isolated: 0,
    sessionsLost: 0,
    outages: 0,
  };

  /** @param next an observer that receives the same events */
  constructor(private readonly next: Observer = () => undefined) {}

  readonly observe: Observer = (event) => {
    this.count(event);
    this.next(event);
  };

  private count(event: ConsumerEvent): void {
    const { counts } = this;
    if (event.type === 'committed') this.countBatch(event);
    else if (event.type === 'failed') counts.failures += 1;
    else if (event.type === 'isolated') counts.isolated += 1;
    else if (event.type === 'session-lost') counts.sessionsLost += 1;
    else if (event.type === 'outage-began') counts.outages += 1;
  }

  private countBatch({ outcomes, ms }: Extract<ConsumerEvent, { readonly type: 'committed' }>): void {
    const { counts } = this;
    counts.batches += 1;
    counts.batchMs += ms;
    for (const outcome of outcomes.values()) {
      if (outcome.kind === 'stored') counts.stored += 1;
      else if (outcome.kind === 'already-processed') counts.alreadyProcessed += 1;
      else if (outcome.kind === 'dead-letter') counts.deadLetters += 1;
      else if (outcome.kind === 'retry') counts.retries += 1;
      else if (outcome.kind === 'parked') counts.parked += 1;
      else if (outcome.kind === 'duplicate') {
        counts.duplicates += 1;
        if (outcome.conflict) counts.conflicts += 1;
      }
    }
  }
}
