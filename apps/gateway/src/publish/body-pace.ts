/**
 * A body that holds room has to arrive at a minimum pace.
 *
 * Otherwise a client could send most of a large body and then one byte per second. It would keep the room until the
 * request times out. Bodies are checked every few seconds, each from its second check on. The time before it is the
 * grace period.
 */

const WINDOW_MS = 5_000;

/** A body that arrives and holds room. */
export interface PacedBody {
  /** Bytes received so far. */
  readonly arrived: number;
  /** Whether the gateway itself does not read it now. The client is not to blame then. */
  readonly isHeldUp?: boolean;
  /** Ends the body. */
  cutOff(): void;
}

/** Watches the bodies of one server. */
export class BodyPace {
  /** The bytes of each body at the last check; `undefined` before the first one. */
  private readonly seen = new Map<PacedBody, number | undefined>();
  private readonly bytesMin: number;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param bytesPerSecondMin slower bodies are cut off
   * @param windowMs the time between two checks
   */
  constructor(
    bytesPerSecondMin: number,
    private readonly windowMs = WINDOW_MS,
  ) {
    this.bytesMin = (bytesPerSecondMin * windowMs) / 1_000;
  }

  /** Watches a body until `leave`. A second call does nothing. */
  watch(body: PacedBody): void {
    if (this.seen.has(body)) return;
    this.seen.set(body, undefined);
    // After a stall of this process, the bytes that arrived meanwhile are read first.
    this.timer ??= setInterval(() => setImmediate(() => this.check()), this.windowMs).unref();
  }

  /** Stops watching a body. */
  leave(body: PacedBody): void {
    if (!this.seen.delete(body) || this.seen.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Cuts off bodies that are too slow. */
  check(): void {
    for (const [body, before] of this.seen) {
      if (body.isHeldUp === true) this.seen.set(body, undefined);
      else if (before !== undefined && body.arrived - before < this.bytesMin) body.cutOff();
      else this.seen.set(body, body.arrived);
    }
  }
}
