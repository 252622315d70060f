import { pause } from '#waiting';

/** Options of a repeated reading. */
export interface RepeatedReadingOptions<T> {
  /** Reads the value. */
  readonly read: () => Promise<T>;
  /** Takes each value that was read. */
  readonly take: (value: T) => void;
  /** Called when reading fails, once per outage. */
  readonly onOutage: (error: unknown) => void;
  /** Called with what `take` throws after `open` has resolved. */
  readonly onRefused: (error: unknown) => void;
}

/** The pause between two readings. With the timeout of a reading it makes the three seconds. */
const READ_EVERY_MS = 1_000;

/** Reads a value of the database every second. While the database does not answer, the last value stays in force. */
export class RepeatedReading<T> {
  private readonly ended = new AbortController();
  private isOut = false;

  constructor(private readonly options: RepeatedReadingOptions<T>) {}

  /**
   * Reads the value, and again every second until `close`. It resolves after the first try, whether or not it was
   * answered.
   *
   * @throws what `take` throws at the first value
   */
  async open(): Promise<void> {
    await this.readOnce();
    void this.keepReading();
  }

  /** Stops reading. */
  close(): void {
    this.ended.abort();
  }

  private async keepReading(): Promise<void> {
    const { signal } = this.ended;
    for (;;) {
      await pause(READ_EVERY_MS, signal);
      if (signal.aborted) return;
      await this.readOnce().catch(this.options.onRefused);
    }
  }

  private async readOnce(): Promise<void> {
    let value: T;
    try {
      value = await this.options.read();
    } catch (error) {
      if (!this.isOut) this.options.onOutage(error);
      this.isOut = true;
      return;
    }
    this.isOut = false;
    this.options.take(value);
  }
}
