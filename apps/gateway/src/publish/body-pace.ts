/**
 * A body that holds room has to arrive at a minimum pace.
 *
 * Without it, whoever sends most of a large body and then a byte a second keeps the room until the request's own time
 * has run out. Bodies are looked at every few seconds, each from its second look on: that is the grace.
 */

/** From one look to the next. */
const WINDOW_MS = 5_000;

/** A body that arrives and holds room. */
export interface PacedBody {
  /** Bytes that have arrived so far. */
  readonly arrived: number;
  /** Ends it. */
  cutOff(): void;
}

/** Watches the bodies of one server. */
export class BodyPace {
  /** What had arrived of each at the last look; `undefined` before the first one. */
  private readonly seen = new Map<PacedBody, number | undefined>();
  private readonly bytesMin: number;
  private timer: NodeJS.Timeout | undefined;

  /** @param bytesPerSecondMin what is slower is cut off */
  constructor(bytesPerSecondMin: number) {
    this.bytesMin = (bytesPerSecondMin * WINDOW_MS) / 1_000;
  }

  /** Watches a body until `leave`; again it does nothing. */
  watch(body: PacedBody): void {
    if (this.seen.has(body)) return;
    this.seen.set(body, undefined);
    this.timer ??= setInterval(() => {
      this.check();
    }, WINDOW_MS).unref();
  }

  /** Watches it no more. */
  leave(body: PacedBody): void {
    if (!this.seen.delete(body) || this.seen.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Cuts off what is too slow. */
  check(): void {
    for (const [body, before] of this.seen) {
      if (before !== undefined && body.arrived - before < this.bytesMin) body.cutOff();
      else this.seen.set(body, body.arrived);
    }
  }
}
