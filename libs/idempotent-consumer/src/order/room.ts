import { setTimeout as pause } from 'node:timers/promises';
import type { Observer } from '../outcome.js';
import { StoppedError } from '../stopped-error.js';

const POLL_MS = 200;

/** Bounds the events that are parked. While there are more, nothing is taken from the stream, and those behind wait there. */
export class Room {
  private isFull = false;

  constructor(
    readonly parkedMax: number,
    private readonly observe: Observer,
    private readonly stopping: AbortSignal,
  ) {}

  /** @param parked how many events are parked, counted up to `parkedMax` */
  counted(parked: number): void {
    const isFull = parked >= this.parkedMax;
    if (isFull && !this.isFull) this.observe({ type: 'parked-full', parkedMax: this.parkedMax });
    this.isFull = isFull;
  }

  /** Resolves when there is room. @throws StoppedError */
  async wait(): Promise<void> {
    while (this.isWaiting())
      await pause(POLL_MS, undefined, { signal: this.stopping }).catch(() => {
        throw new StoppedError();
      });
  }

  private isWaiting(): boolean {
    return this.isFull;
  }
}
