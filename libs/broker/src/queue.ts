const PLACES_LEFT_BEHIND_MAX = 4_096;

/** First in, first out, without the cost of moving the rest at each step. */
export class Queue<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  /** How many there are. */
  get size(): number {
    return this.items.length - this.head;
  }

  /** Puts one at the end. */
  add(item: T): void {
    this.items.push(item);
  }

  /** Takes the first, or `undefined` when there is none. */
  take(): T | undefined {
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    this.items[this.head] = undefined;
    this.head += 1;
    // Under a load that never pauses the line is never empty; the places left behind are given up all the same.
    if (this.head === this.items.length || this.head >= PLACES_LEFT_BEHIND_MAX) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}
