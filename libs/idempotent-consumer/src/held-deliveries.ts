import type { Delivery } from './delivery.js';

/** How many ticks an ack wait has. */
const TICKS = 8;
/**
 * A signal is due after this many ticks: between 3 and 4 eighths of the ack wait, which leaves half of it for
 * delays.
 */
const TICKS_QUIET = 4;

/**
 * The deliveries that a consumer holds, and the progress signals for them.
 *
 *   held ─every half of the ack wait─▶ +WPI: the ack wait begins again
 *     └─settled─▶ no further signal
 *
 * So the ack wait bounds how late a delivery of a dead process comes back, and not how long its work may
 * take. It can be short. `handlerMsMax` bounds the work: a call that does not return is abandoned, its event
 * is settled, and its progress signals end. A process whose event loop hangs sends no signals either.
 *
 * A signal costs the brokers as much as an ack, because each replica of the consumer persists it. So signals
 * are sent only for deliveries that are about half an ack wait old. While events flow, there are none.
 */
export class HeldDeliveries {
  /** The tick at which each delivery arrived or was last signalled. */
  private readonly signalledAt = new Map<Delivery, number>();
  private tick = 0;
  private bytesHeld = 0;
  private progressedMs = performance.now();
  private tickMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** The number of held deliveries. */
  get size(): number {
    return this.signalledAt.size;
  }

  /** The bytes of their bodies. */
  get bytes(): number {
    return this.bytesHeld;
  }

  /** Milliseconds since a delivery was released, the first one arrived, or `progressed` was called. */
  get quietMs(): number {
    return performance.now() - this.progressedMs;
  }

  /** Notes progress of another kind, such as a handler that returned. */
  progressed(): void {
    this.progressedMs = performance.now();
  }

  /** Returns their sequences. */
  seqs(): Set<number> {
    return new Set([...this.signalledAt.keys()].map(({ seq }) => seq));
  }

  /** Holds a delivery. */
  add(delivery: Delivery): void {
    if (this.signalledAt.size === 0) this.progressed();
    this.signalledAt.set(delivery, this.tick);
    this.bytesHeld += delivery.data.length;
  }

  /** Releases a delivery, if it is held. */
  delete(delivery: Delivery): void {
    if (!this.signalledAt.delete(delivery)) return;
    this.bytesHeld -= delivery.data.length;
    this.progressed();
  }

  /** Signals progress according to this ack wait from now on. */
  setAckWait(ackWaitMs: number): void {
    const tickMs = ackWaitMs / TICKS;
    if (tickMs === this.tickMs) return;
    this.stop();
    this.tickMs = tickMs;
    this.timer = setInterval(() => {
      this.signal();
    }, tickMs);
  }

  /** Stops the signals. */
  stop(): void {
    clearInterval(this.timer);
    this.tickMs = undefined;
  }

  private signal(): void {
    this.tick += 1;
    for (const [delivery, at] of this.signalledAt) {
      if (this.tick - at < TICKS_QUIET) continue;
      delivery.working();
      this.signalledAt.set(delivery, this.tick);
    }
  }
}
