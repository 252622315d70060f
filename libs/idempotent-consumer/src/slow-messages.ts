/**
 * Messages that took too long: remembered, so that they are kept out of the batches of others, and worked on one after the
 * other beside the slots of a consumer, so that they cannot hold up all of those.
 */

/** Beyond it the oldest is forgotten, and holds up one more batch. */
const REMEMBERED_MAX = 1_000;

/** See the head of this file. */
export class SlowMessages {
  private readonly keys = new Set<string>();

  /** Remembers one. */
  add(streamId: number, seq: number): void {
    this.keys.add(keyOf(streamId, seq));
    if (this.keys.size <= REMEMBERED_MAX) return;
    for (const oldest of this.keys) {
      this.keys.delete(oldest);
      return;
    }
  }

  /** Forgets one. */
  delete(streamId: number, seq: number): void {
    this.keys.delete(keyOf(streamId, seq));
  }

  /** Whether it is remembered. Mostly there is none, and nothing is made to find that out. */
  has(streamId: number, seq: number): boolean {
    return this.keys.size > 0 && this.keys.has(keyOf(streamId, seq));
  }
}

function keyOf(streamId: number, seq: number): string {
  return `${streamId}:${seq}`;
}

/** Messages that wait in the lane at a time; more are delivered again later. */
const LANE_MAX = 64;

/** Work that is done one after the other. */
export class SlowLane {
  private last = Promise.resolve();
  private length = 0;

  /** Settles when all that was added so far is done. */
  get isEmpty(): Promise<void> {
    return this.last;
  }

  /** @param work never rejects. @returns whether there was room for it */
  add(work: () => Promise<void>): boolean {
    if (this.length >= LANE_MAX) return false;
    this.length += 1;
    this.last = this.last.then(work).finally(() => {
      this.length -= 1;
    });
    return true;
  }
}
