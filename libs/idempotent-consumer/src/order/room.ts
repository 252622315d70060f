import { setTimeout as pause } from 'node:timers/promises';
import type { Observer } from '../outcome.js';
import { StoppedError } from '../stopped-error.js';

const POLL_MS = 200;

/** Bounds the events that are parked. While there are more, nothing is taken from the stream, and those behind wait there. */
export class Room {
  private full = false;

  constructor(
    readonly parkedMax: number,
    private readonly observe: Observer,
    private readonly stopping: AbortSignal,
  ) {}

  /** Whether there are as many events as may be, or more. */
  get isFull(): boolean {
    return this.full;
  }

  /** @param parked how many events are parked, counted up to `parkedMax` */
  counted(parked: number): void {
    const isFull = parked >= this.parkedMax;
    if (isFull && !this.full) this.observe({ type: 'parked-full', parkedMax: this.parkedMax });
    this.full = isFull;
  }

  /**
   * Resolves when there is room, or the wait has no purpose any more.
   *
   * @param isOver whether that is so; a process that lost its lease counts no more, so it would wait for ever
   * @throws StoppedError
   */
  async wait(isOver: () => boolean): Promise<void> {
    while (this.isFull && !isOver())
      await pause(POLL_MS, undefined, { signal: this.stopping }).catch(() => {
        throw new StoppedError();
      });
  }
}
