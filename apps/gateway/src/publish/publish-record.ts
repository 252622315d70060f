import type { Publication, PublishOutcome } from '#broker';
import type { Logger } from '#observability';
import { BrokerDuplicates, PromiseMarks, type Queryable } from '#store';

/**
 * What is written to the database beside the answers: which events the brokers dropped as duplicates, and marks of what
 * they promised.
 *
 *   answered ─▶ noted in memory ─▶ written soon, or at the end by `flush`
 *
 * No answer waits for it. While the database is out of reach it is said, and written later.
 */
export class PublishRecord {
  readonly duplicates: BrokerDuplicates;
  private readonly promises: PromiseMarks;

  constructor(database: Queryable, stream: string, logger: Pick<Logger, 'warn'>) {
    const later =
      (what: string) =>
      (error: unknown): void =>
        logger.warn({ error: String(error) }, `${what} could not be written yet`);
    this.duplicates = new BrokerDuplicates(database, { onError: later('counts of duplicates') });
    this.promises = new PromiseMarks(database, {
      stream,
      onError: later('marks of what the brokers promised'),
    });
  }

  /** Notes what became of events, in the order of both. Returns at once. */
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

  /** Writes nothing more by itself. */
  stop(): void {
    this.duplicates.stop();
    this.promises.stop();
  }
}
