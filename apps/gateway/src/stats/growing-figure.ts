const REMEMBERED_MS = 600_000;

/**
 * A figure that only grows, as it was last seen: an answer below it comes from a broker that lags.
 *
 * It is remembered for ten minutes and no longer. A broker lags for seconds; where the figure really went back, as
 * after the loss of all brokers, nobody must be told so for ever.
 */
export class GrowingFigure {
  private value = 0;
  private noted = new Date(0);

  /** When it was last seen, by the clock of this machine. */
  get notedAt(): Date {
    return this.noted;
  }

  /** Notes what was seen. A smaller figure than the one that is remembered changes nothing. */
  note(value: number, now = new Date()): void {
    if (value < this.least(now)) return;
    this.value = value;
    this.noted = now;
  }

  /** What the figure must be at least; 0 when nothing is known. */
  least(now = new Date()): number {
    return now.getTime() - this.noted.getTime() > REMEMBERED_MS ? 0 : this.value;
  }
}
