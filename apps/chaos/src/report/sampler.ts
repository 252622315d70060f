import { setTimeout as rest } from 'node:timers/promises';
import type { Sample } from './timeline.js';

const EVERY_MS = 500;
const ANSWER_MS_MAX = 2_000;

/** The sources of the figures. Totals are since the load began. */
export interface SampleSources {
  sent(): number;
  acknowledged(): number;
  /** May throw, and may hang. */
  settled(): Promise<number>;
  /** May throw, and may hang; null when it cannot be read. */
  lag(): number | null | Promise<number | null>;
}

/** How a sampler works. */
export interface SamplerOptions {
  readonly sources: SampleSources;
  /** Milliseconds since the load began. */
  readonly nowMs: () => number;
  /** Takes every sample as it comes: `(sample) => folder.appendSample(sample)`. */
  readonly record: (sample: Sample) => Promise<void>;
  /** Default 500. */
  readonly everyMs?: number;
  /** How long a source may take, default 2,000. */
  readonly answerMsMax?: number;
}

/**
 * Takes a sample every half second from `start` until `stop`, and keeps them.
 *
 *   rest ──▶ ask the store ──▶ note sent and acknowledged ──▶ record ──▶ rest
 *                 └─ no answer in time, or an error: null
 *
 * There is one reading of a source at a time, so a database that hangs collects one query and not hundreds. While its
 * answer is outstanding, the figure is null. The store is asked before the moment is noted, so a sample never claims
 * that something was settled earlier than it was. `stop` throws when a sample could not be recorded.
 */
export class Sampler {
  private readonly taken: Sample[] = [];
  private readonly stopping = new AbortController();
  private readonly settled: BoundedReading;
  private readonly lag: BoundedReading;
  private running: Promise<void> | undefined;
  private failure: { readonly cause: unknown } | undefined;

  constructor(private readonly options: SamplerOptions) {
    const { sources, answerMsMax = ANSWER_MS_MAX } = options;
    this.settled = new BoundedReading(() => sources.settled(), answerMsMax);
    this.lag = new BoundedReading(() => sources.lag(), answerMsMax);
  }

  /** The samples up to now, the oldest first: 3,600 in half an hour. */
  get samples(): readonly Sample[] {
    return this.taken;
  }

  /** Takes the first sample at once. */
  start(): void {
    this.running ??= this.sampleUntilStopped();
  }

  /**
   * Takes a last sample and ends.
   *
   * @throws Error when samples could not be recorded; they are in `samples` even so
   */
  async stop(): Promise<readonly Sample[]> {
    if (this.running && !this.stopping.signal.aborted) {
      this.stopping.abort();
      await this.running;
      await this.takeSample();
    }
    if (this.failure) throw new Error('samples could not be recorded', this.failure);
    return this.taken;
  }

  private async sampleUntilStopped(): Promise<void> {
    const { everyMs = EVERY_MS } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const startedAt = performance.now();
      await this.takeSample();
      const restMs = Math.max(0, everyMs - (performance.now() - startedAt));
      await rest(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async takeSample(): Promise<void> {
    const { sources, nowMs, record } = this.options;
    const askedAtMs = Math.round(nowMs());
    const [settled, lag] = await Promise.all([this.settled.take(), this.lag.take()]);
    const sample: Sample = {
      atMs: Math.round(nowMs()),
      askedAtMs,
      sent: sources.sent(),
      acknowledged: sources.acknowledged(),
      settled,
      lag,
      judgeBytes: process.memoryUsage.rss(),
    };
    this.taken.push(sample);
    try {
      await record(sample);
    } catch (cause) {
      this.failure ??= { cause };
    }
  }
}

/** A figure that is asked for once at a time, with a time limit. */
class BoundedReading {
  private isOutstanding = false;

  constructor(
    private readonly read: () => number | null | Promise<number | null>,
    private readonly answerMsMax: number,
  ) {}

  /** The figure; null when there is none in time, or an earlier answer is still outstanding. */
  async take(): Promise<number | null> {
    if (this.isOutstanding) return null;
    this.isOutstanding = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), this.answerMsMax);
    });
    const answer = this.answer();
    const figure = await Promise.race([answer, late]);
    clearTimeout(timer);
    return figure;
  }

  private async answer(): Promise<number | null> {
    try {
      return await this.read();
    } catch {
      return null;
    } finally {
      this.isOutstanding = false;
    }
  }
}
