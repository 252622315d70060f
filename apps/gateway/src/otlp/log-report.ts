/** What became of the records of one request. */
import type { PublishOutcome, UnavailableReason } from '#broker';
import type { Checked } from '../publish/publish-request.js';
import { isFinal, WHY } from '../publish/publish-results.js';

/** Rejected records that are named, at most, so that an answer stays short. */
const NAMED_MAX = 5;

/** Counts outcomes, and explains the first rejections. */
export class LogReport {
  /** Records so far. */
  records = 0;
  /** Those that the client must not send again. */
  rejected = 0;
  /** Those of them whose topic the key does not cover. */
  forbidden = 0;
  /** Why the brokers did not take records. */
  readonly reasons = new Set<UnavailableReason>();
  private readonly sentences: string[] = [];

  /** Counts records, in the order of the request. */
  addChecked(events: readonly Checked[]): void {
    for (const event of events) {
      const index = this.records++;
      if (event.valid) continue;
      this.reject(`record ${index}: ${event.errors[0]?.message ?? ''}`);
    }
  }

  /** Counts the outcomes of records. */
  addOutcomes(outcomes: readonly PublishOutcome[]): void {
    for (const outcome of outcomes) {
      if (outcome.status !== 'unavailable') continue;
      if (isFinal([outcome.reason])) this.reject(`a record: ${WHY[outcome.reason]}`);
      else this.reasons.add(outcome.reason);
    }
  }

  private reject(sentence: string): void {
    this.rejected += 1;
    if (this.sentences.length < NAMED_MAX) this.sentences.push(sentence);
  }

  /** Says why records were rejected; empty when none was. */
  explanation(): string {
    if (this.rejected === 0) return '';
    const others = this.rejected - this.sentences.length;
    const more = others > 0 ? `; and ${others} more` : '';
    return `${this.rejected} of ${this.records} log records were rejected: ${this.sentences.join('; ')}${more}.`;
  }
}
