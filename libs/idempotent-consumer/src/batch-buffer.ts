import type { Delivery } from './delivery.js';

/** When a batch is full, or has waited long enough. */
export interface BatchBounds {
  /** Messages in one transaction, at most. The default is 100. */
  readonly batchSize: number;
  /** Bytes of their bodies, at most. A larger message forms a batch of its own. The default is 8 MiB. */
  readonly batchBytes: number;
  /** How long a batch that is not full waits for more messages, in milliseconds. The default is 5. */
  readonly batchWaitMs: number;
}

/**
 * Deliveries that wait for their transaction, in order of arrival.
 *
 * A lone event does not wait while no transaction is open and no batch was taken just before. Otherwise a
 * batch is taken as soon as it is full (of messages, or of bytes), or the oldest delivery has waited long
 * enough. Deliveries gather here while transactions run, so batches grow with the load. The buffer has no
 * bound of its own: the consumer requests only as many deliveries as it has room for.
 */
export class BatchBuffer {
  private waiting: Delivery[] = [];
  /** When the oldest waiting delivery arrived; after a full batch, when that batch was taken. */
  private sinceMs = 0;
  private takenMs = -Infinity;
  private waitingBytes = 0;
  private wake: (() => void) | undefined;

  constructor(private readonly bounds: BatchBounds) {}

  /** Adds a delivery. */
  add(delivery: Delivery): void {
    this.waitingBytes += delivery.data.length;
    if (this.waiting.push(delivery) === 1) this.sinceMs = performance.now();
    if (this.waiting.length === 1 || this.isFull()) this.wake?.();
  }

  /**
   * Waits for a batch.
   *
   * @param isIdle whether no transaction is open
   * @returns at least one delivery and at most a full batch; an empty array when `signal` is aborted
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

  /** Removes and returns all waiting deliveries. */
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

  /** At least one delivery is taken, however large it is. */
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

  private async changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let wake = (): void => undefined;
    await new Promise<void>((resolve) => {
      wake = (): void => {
        resolve();
      };
      this.wake = wake;
      signal.addEventListener('abort', wake);
      if (Number.isFinite(timeoutMs)) timer = setTimeout(wake, timeoutMs);
    });
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
    this.wake = undefined;
  }
}
