const PLACES_LEFT_BEHIND_MAX = 4_096;

/** A first-in, first-out queue that does not move the rest at each step. */
export class Queue<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  /** Number of items. */
  get size(): number {
    return this.items.length - this.head;
  }

  /** Appends an item. */
  add(item: T): void {
    this.items.push(item);
  }

  /** Removes and returns the first item, or `undefined` when there is none. */
  take(): T | undefined {
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    this.items[this.head] = undefined;
    this.head += 1;
    // Under constant load the queue is never empty, so its used places are also released here.
    if (this.head === this.items.length || this.head >= PLACES_LEFT_BEHIND_MAX) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}
