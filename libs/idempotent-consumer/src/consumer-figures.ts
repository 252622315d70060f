/** What a consumer did since the process began, in figures that only grow: for a program's metrics. */
import type { ConsumerEvent, Observer } from './outcome.js';

/** Counts; each event of the stream may be counted more than once, by this process and by others. */
export interface ConsumerCounts {
  /** Calls of what decides, and milliseconds spent in them. */
  batches: number;
  batchMs: number;
  stored: number;
  /** Includes `conflicts`. */
  duplicates: number;
  conflicts: number;
  /** Deliveries of what had been processed before: nothing changed. */
  alreadyProcessed: number;
  deadLetters: number;
  /** Deliveries to come again, for whichever reason. */
  retries: number;
  /** Attempts of single events that failed. */
  failures: number;
  isolated: number;
  sessionsLost: number;
  outages: number;
}

/** Give its `observe` to the transport, and read `counts` whenever metrics are asked for. */
export class ConsumerFigures {
  readonly counts: ConsumerCounts = {
    batches: 0,
    batchMs: 0,
    stored: 0,
    duplicates: 0,
    conflicts: 0,
    alreadyProcessed: 0,
    deadLetters: 0,
    retries: 0,
    failures: 0,
    isolated: 0,
    sessionsLost: 0,
    outages: 0,
  };

  /** @param next is told as well */
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
      else if (outcome.kind === 'settled') counts.alreadyProcessed += 1;
      else if (outcome.kind === 'dead-letter') counts.deadLetters += 1;
      else if (outcome.kind === 'retry') counts.retries += 1;
      else if (outcome.kind === 'duplicate') {
        counts.duplicates += 1;
        if (outcome.conflict) counts.conflicts += 1;
      }
    }
  }
}
