const KEPT_TIMES = 4;
const QUICK_MS_MAX = 20;
const KEPT_MS_MAX = 5_000;

/**
 * A question that many ask, answered with as few readings as can be.
 *
 *   reading ◀─ who asked before it began
 *   next    ◀─ who asks while it is under way: the answer must not be older than the question
 *
 * One that took long is kept for a while, in proportion: however many topics there are and however often it is asked,
 * reading takes a fifth of one connection's time at most.
 */
export class SharedReading<T> {
  private reading: Promise<T> | undefined;
  private next: Promise<T> | undefined;
  private kept: { readonly answer: T; readonly untilMs: number } | undefined;

  constructor(private readonly read: () => Promise<T>) {}

  /** The answer, not older than the question but for what was said above. Rejects as the reading does. */
  async ask(): Promise<T> {
    if (this.kept !== undefined && performance.now() < this.kept.untilMs) return this.kept.answer;
    return this.askAgain();
  }

  /** The answer, not older than the question. */
  async askAgain(): Promise<T> {
    if (this.reading === undefined) return this.begin();
    this.next ??= this.reading.then(
      async () => this.begin(),
      async () => this.begin(),
    );
    return this.next;
  }

  private async begin(): Promise<T> {
    this.next = undefined;
    const startedMs = performance.now();
    const reading = this.read();
    this.reading = reading;
    try {
      const answer = await reading;
      const endMs = performance.now();
      const tookMs = endMs - startedMs;
      const keptMs = tookMs > QUICK_MS_MAX ? Math.min(KEPT_MS_MAX, KEPT_TIMES * tookMs) : 0;
      this.kept = { answer, untilMs: endMs + keptMs };
      return answer;
    } finally {
      if (this.reading === reading) this.reading = undefined;
    }
  }
}
