import { setImmediate } from 'node:timers/promises';
import type { PublishOutcome } from '#broker';
import type { Checked } from '../publish/publish-request.js';
import type { LogReport } from './log-report.js';

/** Events, and characters of events, that are published together, at most. */
const EVENTS_AT_ONCE = 1_000;
const CHARS_AT_ONCE = 4_194_304;
/** Batches that wait for the brokers, while the next one is read. */
const UNDER_WAY_MAX = 2;
/** Events and characters that are read in one step. Other requests run between two steps. */
const READ_AT_ONCE = 200;
const READ_CHARS_AT_ONCE = 524_288;

/** An event that may be published. */
export type ValidEvent = Extract<Checked, { valid: true }>;

/** What becomes of a batch. */
export interface BatchSteps {
  /** Marks events as invalid whose topics would be too many. */
  readonly enforce: (events: readonly Checked[]) => Promise<readonly Checked[]>;
  readonly publish: (events: readonly ValidEvent[]) => Promise<PublishOutcome[]>;
}

/**
 * Collects the events of one request, and publishes them in batches of bounded size.
 *
 *   add ─▶ batch ─full or end─▶ enforce ─▶ publish, two at a time ─▶ report
 */
export class LogBatches {
  private batch: Checked[] = [];
  private chars = 0;
  private pauseAt = READ_CHARS_AT_ONCE;
  private readonly underWay: Promise<void>[] = [];

  constructor(
    private readonly report: LogReport,
    private readonly steps: BatchSteps,
  ) {}

  /** Whether the brokers did not take an event. Nothing more is published then. */
  get hasFailed(): boolean {
    return this.report.reasons.size > 0;
  }

  /** Adds an event or what is wrong with a record, in the order of the request. It waits while two batches do. */
  async add(event: Checked): Promise<void> {
    this.batch.push(event);
    if (event.valid) this.chars += event.body.length;
    if (this.batch.length >= EVENTS_AT_ONCE || this.chars >= CHARS_AT_ONCE) await this.flush();
    else if (this.batch.length % READ_AT_ONCE === 0 || this.chars >= this.pauseAt) {
      this.pauseAt = this.chars + READ_CHARS_AT_ONCE;
      await setImmediate();
    }
  }

  /** Publishes what is left, and resolves when every batch has its outcomes. */
  async end(): Promise<void> {
    await this.flush();
    while (this.underWay.length > 0) await this.underWay.shift();
  }

  private async flush(): Promise<void> {
    const { batch } = this;
    this.batch = [];
    this.chars = 0;
    this.pauseAt = READ_CHARS_AT_ONCE;
    if (this.underWay.length === UNDER_WAY_MAX) await this.underWay.shift();
    if (this.hasFailed || batch.length === 0) return;
    const checked = await this.steps.enforce(batch);
    this.report.addChecked(checked);
    const valid = checked.filter((event) => event.valid);
    if (valid.length > 0) this.underWay.push(this.publish(valid));
  }

  private async publish(events: readonly ValidEvent[]): Promise<void> {
    this.report.addOutcomes(await this.steps.publish(events));
  }
}
