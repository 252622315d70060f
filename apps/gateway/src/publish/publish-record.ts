import type { Publication, PublishOutcome } from '#broker';
import { errorText, type Logger } from '#observability';
import { addUpEndedGateways, BrokerDuplicates, PromiseMarks, type Queryable } from '#store';

const ADD_UP_EVERY_MS = 3_600_000;

/**
 * Records which events the brokers dropped as duplicates, and marks of what they promised, apart from the answers.
 *
 *   answered ─▶ noted in memory ─▶ written soon, or at the end by `flush`
 *
 * No answer waits for it. While the database is unreachable, that is logged and the records are written later.
 */
export class PublishRecord {
  readonly duplicates: BrokerDuplicates;
  private readonly promises: PromiseMarks;
  private readonly addingUp: NodeJS.Timeout;

  constructor(database: Queryable, stream: string, logger: Pick<Logger, 'warn'>) {
    const later =
      (what: string) =>
      (error: unknown): void =>
        logger.warn({ error: errorText(error) }, `${what} could not be written yet`);
    this.duplicates = new BrokerDuplicates(database, { onError: later('counts of duplicates') });
    this.promises = new PromiseMarks(database, {
      stream,
      onError: later('marks of what the brokers promised'),
    });
    this.addingUp = setInterval(() => {
      addUpEndedGateways(database).catch(later('sums of the duplicates of gateways that have ended'));
    }, ADD_UP_EVERY_MS);
    this.addingUp.unref();
  }

  /** Notes the outcomes of events, in the same order. Returns at once. */
  note(events: readonly Publication[], outcomes: readonly PublishOutcome[]): void {
    for (const [index, outcome] of outcomes.entries()) {
      const event = events[index];
      if (event === undefined) continue;
      if (outcome.status === 'duplicate') this.duplicates.add(event.topic);
      else if (outcome.status === 'accepted') this.promises.note(event, outcome.seq);
    }
  }

  /** Writes what is not written yet. */
  async flush(): Promise<void> {
    await Promise.all([this.duplicates.flush(), this.promises.flush()]);
  }

  /** Stops the regular writes. */
  stop(): void {
    clearInterval(this.addingUp);
    this.duplicates.stop();
    this.promises.stop();
  }
}
