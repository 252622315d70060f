import { SingleBar } from 'cli-progress';

const APPEARS_AFTER_MS = 400;

/**
 * A progress bar on stderr, for a person who waits.
 *
 * It appears only on a terminal and only when the work takes long enough. A pipe or a log never gets a byte of it.
 */
export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly startedAt = Date.now();
  private running = false;

  /**
   * @param what stands before the bar, for example `sending`
   * @param total the value at which everything is done
   * @param unit what is counted
   */
  constructor(
    private readonly what: string,
    private total: number,
    private readonly unit: string,
  ) {
    if (!Progress.isShown()) return;
    this.bar = new SingleBar({
      format: `{what} {bar} {percentage}% · {value}/{total} {unit} · {rate}/s · {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      barsize: 28,
      etaBuffer: 50,
      formatValue: (value, _options, type) =>
        type === 'value' || type === 'total' ? value.toLocaleString('en') : String(value),
    });
  }

  /** Whether a bar may appear, so that a total that is dear to count can be left out otherwise. */
  static isShown(): boolean {
    return process.stderr.isTTY;
  }

  /** Shows the progress; `total` is given when it has changed. */
  update(value: number, total = this.total): void {
    const elapsedMs = Date.now() - this.startedAt;
    this.total = total;
    if (!this.bar || elapsedMs < APPEARS_AFTER_MS) return;
    const rate = Math.round((value * 1_000) / elapsedMs).toLocaleString('en');
    const payload = { what: this.what, unit: this.unit, rate };
    if (!this.running) this.bar.start(total, value, payload);
    this.running = true;
    this.bar.setTotal(total);
    this.bar.update(value, payload);
  }

  /** Removes the bar. */
  stop(): void {
    if (this.running) this.bar?.stop();
    this.running = false;
  }
}
