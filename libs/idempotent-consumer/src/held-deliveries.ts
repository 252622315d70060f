/**
 * The deliveries that a consumer holds, and the progress that it signals for them.
 *
 *   held ─ack wait / 2, and again and again─▶ +WPI: the broker waits as long once more
 *     └─settled─▶ nothing more is said
 *
 * So the ack wait bounds how late a delivery comes back from a process that died, and not how long the work may take. It can be
 * short. What bounds the work is `handlerMsMax`: a call that does not return is left, its event is settled, and no more progress
 * is signalled for it. Nor is any by a process whose event loop hangs.
 *
 * A signal costs the brokers as much as an ack, since each replica of the consumer writes it down. So one is sent only for what is
 * about as old as half an ack wait, which nothing is while events flow.
 */
import type { Delivery } from './delivery.js';

/** Ticks in an ack wait. */
const TICKS = 8;
/** A signal is due when so many have passed: between 3 and 4 eighths of the ack wait, which leaves half of it for delays. */
const TICKS_QUIET = 4;

/** See the head of this file. */
export class HeldDeliveries {
  /** By which tick each was last spoken of: it came, or a signal was sent. */
  private readonly spokenAt = new Map<Delivery, number>();
  private tick = 0;
  private bytesHeld = 0;
  private progressedMs = performance.now();
  private tickMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** How many. */
  get size(): number {
    return this.spokenAt.size;
  }

  /** Bytes of their bodies. */
  get bytes(): number {
    return this.bytesHeld;
  }

  /** Since one was let go, the first came, or something else got on. */
  get quietMs(): number {
    return performance.now() - this.progressedMs;
  }

  /** Something got on: for those who know more of it. */
  progressed(): void {
    this.progressedMs = performance.now();
  }

  /** Their sequences. */
  seqs(): Set<number> {
    return new Set([...this.spokenAt.keys()].map(({ seq }) => seq));
  }

  /** Holds one. */
  add(delivery: Delivery): void {
    if (this.spokenAt.size === 0) this.progressed();
    this.spokenAt.set(delivery, this.tick);
    this.bytesHeld += delivery.data.length;
  }

  /** Lets one go, where it is held. */
  delete(delivery: Delivery): void {
    if (!this.spokenAt.delete(delivery)) return;
    this.bytesHeld -= delivery.data.length;
    this.progressed();
  }

  /** Signals progress by this ack wait from now on. */
  signalWithin(ackWaitMs: number): void {
    const tickMs = ackWaitMs / TICKS;
    if (tickMs === this.tickMs) return;
    this.stop();
    this.tickMs = tickMs;
    this.timer = setInterval(() => {
      this.signal();
    }, tickMs);
  }

  /** Signals no more. */
  stop(): void {
    clearInterval(this.timer);
    this.tickMs = undefined;
  }

  private signal(): void {
    this.tick += 1;
    for (const [delivery, at] of this.spokenAt) {
      if (this.tick - at < TICKS_QUIET) continue;
      delivery.working();
      this.spokenAt.set(delivery, this.tick);
    }
  }
}
