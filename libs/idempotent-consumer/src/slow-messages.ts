/** Messages that took too long, remembered so that they are kept out of the batches of others. */

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
