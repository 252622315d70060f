/**
 * Collects the outcomes of a request of lines, in bounded memory.
 *
 * A million results would take 100 MB. Streaming them would not help by itself: the status would have to be sent before
 * the outcome is known, and most clients read nothing before they have sent everything. So both sides would wait for
 * each other. The figures are always complete, and results are listed up to a bound: first those of every line, then
 * only those of lines that were not taken.
 */
import type { PublishOutcome, UnavailableReason } from '#broker';
import type { PublishResponse, PublishResult } from '#contracts';
import type { Checked } from './publish-request.js';
import { invalidResult, isFinal, publishedResult, WHY } from './publish-results.js';

/** Characters of all results in an answer, and of those about lines that were not taken, at most. */
const RESULT_CHARS_MAX = 786_432;
const REJECTED_CHARS_MAX = 262_144;
/** Invalid lines that list every error. Others list only the first. */
const EXPLAINED_MAX = 100;

/** Lines that were checked, and their numbers. */
export interface CheckedLines {
  readonly events: readonly Checked[];
  readonly indexes: readonly number[];
}

/** The outcomes of one request. */
export class LineReport {
  private accepted = 0;
  private duplicates = 0;
  private invalid = 0;
  private unavailable = 0;
  private listed = 0;
  private readonly results: string[] = [];
  private readonly rejected: string[] = [];
  private resultChars = 0;
  private rejectedChars = 0;
  /** Why lines were not taken by the brokers. */
  readonly reasons = new Set<UnavailableReason>();

  /** Lines so far. */
  get lines(): number {
    return this.accepted + this.invalid + this.unavailable;
  }

  /** Valid lines so far. */
  get validLines(): number {
    return this.accepted + this.unavailable;
  }

  /** Invalid lines so far. */
  get invalidLines(): number {
    return this.invalid;
  }

  /** Whether each line has its result in the answer. */
  get isListed(): boolean {
    return this.listed === this.lines;
  }

  /** The results of the first invalid lines. @param count how many, at most */
  firstRejected(count: number): PublishResult[] {
    return this.rejected.slice(0, count).map((text) => JSON.parse(text) as PublishResult);
  }

  /** Adds lines. @param outcomes of the valid ones among them */
  add({ events, indexes }: CheckedLines, outcomes: readonly PublishOutcome[]): void {
    let published = 0;
    for (const [at, event] of events.entries()) {
      const index = indexes[at] ?? 0;
      const outcome = event.valid ? outcomes[published++] : undefined;
      if (!event.valid || outcome === undefined) this.addInvalid(event, index);
      else if (outcome.status === 'unavailable' && isFinal([outcome.reason]))
        this.addInvalid(tooLarge(event, WHY[outcome.reason]), index);
      else this.addPublished(publishedResult(event, index, outcome), outcome);
    }
  }

  /** The members of the answer. */
  answer(): PublishResponse {
    return JSON.parse(this.text()) as PublishResponse;
  }

  /** The members of the answer, as JSON text. */
  text(): string {
    const { accepted, duplicates, invalid, unavailable, lines } = this;
    const figures = JSON.stringify({ accepted, duplicates, invalid, unavailable, lines });
    const leftOut = lines - this.listed;
    const more = leftOut > 0 ? `,"results_left_out":${leftOut}` : '';
    return `${figures.slice(0, -1)}${more},"rejected":[${this.rejected.join(',')}],"results":[${this.results.join(',')}]}`;
  }

  private addPublished(result: PublishResult, outcome: PublishOutcome): void {
    if (outcome.status === 'unavailable') {
      this.unavailable += 1;
      this.reasons.add(outcome.reason);
    } else {
      this.accepted += 1;
      if (outcome.status === 'duplicate') this.duplicates += 1;
    }
    this.list(result);
  }

  private addInvalid(event: Checked, index: number): void {
    this.invalid += 1;
    const result = invalidResult(event, index);
    const { errors = [] } = result;
    const short = this.invalid <= EXPLAINED_MAX ? result : { ...result, errors: errors.slice(0, 1) };
    this.list(short, true);
  }

  private list(result: PublishResult, isRejected = false): void {
    if (this.resultChars >= RESULT_CHARS_MAX && (!isRejected || this.rejectedChars >= REJECTED_CHARS_MAX))
      return;
    const text = JSON.stringify(result);
    this.listed += 1;
    if (this.resultChars < RESULT_CHARS_MAX) {
      this.results.push(text);
      this.resultChars += text.length;
    }
    if (!isRejected || this.rejectedChars >= REJECTED_CHARS_MAX) return;
    this.rejected.push(text);
    this.rejectedChars += text.length;
  }
}

/** An event that breaks a rule of the brokers, which is seen only when it is published. */
function tooLarge({ topic, eventId }: Checked, message: string): Checked {
  return {
    valid: false,
    ...(topic !== undefined && { topic }),
    ...(eventId !== undefined && { eventId }),
    errors: [{ field: 'event', message }],
  };
}
