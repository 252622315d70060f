/** Beyond this number the oldest is forgotten, and delays one more batch. */
const REMEMBERED_MAX = 1_000;

/** Remembers messages that took too long, so that they stay out of the batches of others. */
export class SlowMessages {
  private readonly keys = new Set<string>();

  /** Remembers a message. */
  add(streamId: number, seq: number): void {
    this.keys.add(keyOf(streamId, seq));
    if (this.keys.size <= REMEMBERED_MAX) return;
    for (const oldest of this.keys) {
      this.keys.delete(oldest);
      return;
    }
  }

  /** Forgets a message. */
  delete(streamId: number, seq: number): void {
    this.keys.delete(keyOf(streamId, seq));
  }

  /** Whether a message is remembered. The set is mostly empty, and then no key is built. */
  has(streamId: number, seq: number): boolean {
    return this.keys.size > 0 && this.keys.has(keyOf(streamId, seq));
  }
}

function keyOf(streamId: number, seq: number): string {
  return `${streamId}:${seq}`;
}

/** Messages in the lane at a time. More than these are delivered again later. */
const LANE_MAX = 64;

/**
 * Runs slow messages one after the other, in parallel with the batches, so that they cannot block all of
 * those.
 */
export class SlowLane {
  private last = Promise.resolve();
  private length = 0;

  /** Resolves when all work that was added so far is done. */
  get isEmpty(): Promise<void> {
    return this.last;
  }

  /** Adds work. @param work it never rejects @returns whether there was room for it */
  add(work: () => Promise<void>): boolean {
    if (this.length >= LANE_MAX) return false;
    this.length += 1;
    this.last = this.last.then(work).finally(() => {
      this.length -= 1;
    });
    return true;
  }
}
