/**
 * Deliveries that wait for their transaction.
 *
 * A lone event, when nothing is at work and nothing was just before, does not wait for company. Else a batch is taken as
 * soon as it is full (of messages, or of bytes), or the oldest delivery has waited long enough. While transactions are at work,
 * deliveries gather here, so batches grow with the load.
 */
import type { Delivery } from './delivery.js';

/** When a batch is full, or has waited long enough. */
export interface BatchBounds {
  /** Messages in one transaction, at most. */
  readonly batchSize: number;
  /** Bytes of their bodies, at most; one that is larger goes alone. */
  readonly batchBytes: number;
  /** How long a batch that is not full waits for more. */
  readonly batchWaitMs: number;
}

/** Deliveries in order of arrival. The bound is kept by whoever asks the broker for more. */
export class Intake {
  private waiting: Delivery[] = [];
  /** When the oldest that waits came; behind a full batch, when that was taken. */
  private sinceMs = 0;
  private takenMs = -Infinity;
  private waitingBytes = 0;
  private wake: (() => void) | undefined;

  constructor(private readonly bounds: BatchBounds) {}

  /** Takes a delivery in. */
  add(delivery: Delivery): void {
    this.waitingBytes += delivery.data.length;
    if (this.waiting.push(delivery) === 1) this.sinceMs = performance.now();
    if (this.waiting.length === 1 || this.isFull()) this.wake?.();
  }

  /**
   * Waits for a batch.
   *
   * @param isIdle whether nothing is at work
   * @returns at least one delivery and at most a batch, or none when `signal` is aborted
   */
  async take(signal: AbortSignal, isIdle: () => boolean = () => false): Promise<Delivery[]> {
    while (!signal.aborted) {
      const waitMs = this.waitMs(isIdle);
      if (this.isFull() || waitMs <= 0) {
        this.sinceMs = this.takenMs = performance.now();
        return this.remove(this.batchLength());
      }
      await this.changed(waitMs, signal);
    }
    return [];
  }

  /** Gives up everything that waits. */
  clear(): Delivery[] {
    return this.remove(this.waiting.length);
  }

  private waitMs(isIdle: () => boolean): number {
    if (this.waiting.length === 0) return Infinity;
    const now = performance.now();
    const { batchWaitMs } = this.bounds;
    const isLone = isIdle() && now - this.takenMs > batchWaitMs;
    return isLone ? 0 : this.sinceMs + batchWaitMs - now;
  }

  private isFull(): boolean {
    return this.waiting.length >= this.bounds.batchSize || this.waitingBytes >= this.bounds.batchBytes;
  }

  /** One is always taken, however large. */
  private batchLength(): number {
    const { batchSize, batchBytes } = this.bounds;
    let bytes = 0;
    for (let length = 0; length < batchSize; length++) {
      const delivery = this.waiting[length];
      bytes += delivery?.data.length ?? Infinity;
      if (bytes > batchBytes) return Math.max(1, length);
    }
    return batchSize;
  }

  private remove(count: number): Delivery[] {
    const removed = this.waiting.splice(0, count);
    for (const { data } of removed) this.waitingBytes -= data.length;
    return removed;
  }

  private async changed(withinMs: number, signal: AbortSignal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let wake = (): void => undefined;
    await new Promise<void>((resolve) => {
      wake = (): void => {
        resolve();
      };
      this.wake = wake;
      signal.addEventListener('abort', wake);
      if (Number.isFinite(withinMs)) timer = setTimeout(wake, withinMs);
    });
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
    this.wake = undefined;
  }
}
