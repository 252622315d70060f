const REMEMBERED_MS = 600_000;

/**
 * A figure that only grows, as last seen. A smaller answer comes from a broker that lags.
 *
 * It is remembered for only ten minutes. A broker lags for seconds. After the loss of all brokers the figure really
 * went back, and must not be doubted for ever.
 */
export class GrowingFigure {
  private value = 0;
  private noted = new Date(0);

  /** When it was last seen, by this machine's clock. */
  get notedAt(): Date {
    return this.noted;
  }

  /** Notes a value. A smaller value than the remembered one changes nothing. */
  note(value: number, now = new Date()): void {
    if (value < this.least(now)) return;
    this.value = value;
    this.noted = now;
  }

  /** The lower bound of the figure; 0 when nothing is known. */
  least(now = new Date()): number {
    return now.getTime() - this.noted.getTime() > REMEMBERED_MS ? 0 : this.value;
  }
}
