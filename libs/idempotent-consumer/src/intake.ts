/**
 * Deliveries that wait for their transaction.
 *
 * A batch is taken as soon as it is full, or as soon as the oldest delivery has waited long enough. While
 * transactions are at work, deliveries gather here, so batches grow with the load and a lone event does not wait
 * for company.
 */
import type { Delivery } from './delivery.js';

/** Deliveries in order of arrival. The bound is kept by whoever asks the broker for more. */
export class Intake {
  private waiting: { readonly delivery: Delivery; readonly arrivedMs: number }[] = [];
  private wake: (() => void) | undefined;

  constructor(
    private readonly batchSize: number,
    private readonly batchWaitMs: number,
  ) {}

  /** How many wait. */
  get size(): number {
    return this.waiting.length;
  }

  /** What waits, oldest first. */
  deliveries(): Delivery[] {
    return this.waiting.map(({ delivery }) => delivery);
  }

  /** Takes a delivery in. */
  add(delivery: Delivery): void {
    this.waiting.push({ delivery, arrivedMs: performance.now() });
    if (this.waiting.length === 1 || this.waiting.length >= this.batchSize) this.wake?.();
  }

  /** Waits for a batch. @returns at least one delivery and at most a batch, or none when `signal` is aborted */
  async take(signal: AbortSignal): Promise<Delivery[]> {
    while (!signal.aborted) {
      const [oldest] = this.waiting;
      const waitMs =
        oldest === undefined ? Infinity : oldest.arrivedMs + this.batchWaitMs - performance.now();
      if (this.waiting.length >= this.batchSize || waitMs <= 0) {
        return this.waiting.splice(0, this.batchSize).map(({ delivery }) => delivery);
      }
      await this.changed(waitMs, signal);
    }
    return [];
  }

  /** Gives up everything that waits. */
  clear(): Delivery[] {
    return this.waiting.splice(0).map(({ delivery }) => delivery);
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
