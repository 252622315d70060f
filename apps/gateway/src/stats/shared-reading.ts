const KEPT_TIMES = 4;
const QUICK_MS_MAX = 20;
const KEPT_MS_MAX = 5_000;

/**
 * Answers many requests for the same value with as few readings as possible.
 *
 *   reading ◀─ requests from before it started
 *   next    ◀─ requests during it: the answer must not be older than the request
 *
 * A slow reading is kept for a while, in proportion to its time. So readings take at most a fifth of one connection's
 * time, for any number of topics and requests.
 */
export class SharedReading<T> {
  private reading: Promise<T> | undefined;
  private next: Promise<T> | undefined;
  private kept: { readonly answer: T; readonly untilMs: number } | undefined;

  constructor(private readonly read: () => Promise<T>) {}

  /** The value, not older than the request, except for a kept reading. Rejects when the reading does. */
  async ask(): Promise<T> {
    if (this.kept !== undefined && performance.now() < this.kept.untilMs) return this.kept.answer;
    return this.askAgain();
  }

  /** The value, not older than the request. */
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
