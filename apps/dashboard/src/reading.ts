/**
 * A value that is asked for again and again, and knows its age.
 *
 *   start() ─▶ asking ─▶ waiting ─▶ asking …      stop() ends it; a hidden tab pauses it
 *
 * A value stays known when the gateway no longer answers. It is then no longer `current`, and the page shows it as the
 * last known one with its time.
 */
import { ask, needsKey, type Answer, type Failure } from './gateway-client.js';

/** Options of a reading. */
export interface ReadingOptions {
  readonly path: () => string;
  readonly intervalMs: number;
  /** Is called after each answer. */
  readonly onChange: () => void;
}

/** Intervals after which a value is no longer current. */
const INTERVALS_MAX = 3;

/** One value of the gateway. */
export class Reading<T> {
  private known: { readonly value: T; readonly headers: Headers; readonly atMs: number } | undefined;
  private failed: Failure | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | undefined;

  constructor(private readonly options: ReadingOptions) {}

  /** The last known value, of any age. */
  get value(): T | undefined {
    return this.known?.value;
  }

  /** The headers that came with it. */
  get headers(): Headers | undefined {
    return this.known?.headers;
  }

  /** When it was known, in milliseconds since 1970. */
  get atMs(): number | undefined {
    return this.known?.atMs;
  }

  /** The failure of the last request; `undefined` after an answer. */
  get failure(): Failure | undefined {
    return this.failed;
  }

  /** Whether the value is of now. */
  get isCurrent(): boolean {
    return (
      this.known !== undefined && Date.now() - this.known.atMs <= this.options.intervalMs * INTERVALS_MAX
    );
  }

  /** The address that the value is from. */
  get path(): string {
    return this.options.path();
  }

  start(): void {
    if (this.running !== undefined) return;
    this.running = new AbortController();
    document.addEventListener('visibilitychange', this.onVisibility);
    void this.askNow(this.running);
  }

  stop(): void {
    this.running?.abort();
    this.running = undefined;
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.onVisibility);
  }

  /** Forgets the value and asks again, after its address has changed. */
  restart(): void {
    const wasRunning = this.running !== undefined;
    this.stop();
    this.known = undefined;
    this.failed = undefined;
    if (wasRunning) this.start();
  }

  /** Asks at once and keeps the value until the answer. */
  refresh(): void {
    if (this.running === undefined) return;
    this.stop();
    this.start();
  }

  private readonly onVisibility = (): void => {
    if (!document.hidden) this.refresh();
  };

  private async askNow(running: AbortController): Promise<void> {
    const startedMs = Date.now();
    const answer = await ask<T>(this.options.path(), { signal: running.signal });
    if (running.signal.aborted) return;
    this.take(answer, startedMs);
    this.options.onChange();
    // Attempts without a valid key are counted, and one signs in before the next.
    if (!document.hidden && !needsKey(this.failed))
      this.timer = setTimeout(() => void this.askNow(running), this.options.intervalMs);
  }

  private take(answer: Answer<T>, startedMs: number): void {
    if (answer.kind === 'value') {
      this.known = { value: answer.value, headers: answer.headers, atMs: startedMs };
      this.failed = undefined;
    } else this.failed = answer;
  }
}
