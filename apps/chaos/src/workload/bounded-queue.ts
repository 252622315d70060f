/** First in, first out, on a ring of fixed size: what the workload remembers must not grow with the run. */
export class BoundedQueue<T> {
  private readonly ring: (T | undefined)[];
  private first = 0;
  private held = 0;

  /** @param capacity entries at a time, at least 1 */
  constructor(readonly capacity: number) {
    this.ring = new Array<T | undefined>(capacity);
  }

  /** Entries in it now. */
  get length(): number {
    return this.held;
  }

  /** Puts one at the end; false, without effect, when there is no room. */
  push(entry: T): boolean {
    if (this.held === this.capacity) return false;
    this.ring[(this.first + this.held) % this.capacity] = entry;
    this.held += 1;
    return true;
  }

  /** Puts one at the end; the oldest leaves when there is no room. */
  pushOver(entry: T): void {
    if (this.held === this.capacity) this.shift();
    this.push(entry);
  }

  /** The entry `index` places from the front; undefined when there are not that many. */
  at(index: number): T | undefined {
    return index < this.held ? this.ring[(this.first + index) % this.capacity] : undefined;
  }

  /** Takes the oldest; undefined when there is none. */
  shift(): T | undefined {
    if (this.held === 0) return undefined;
    const entry = this.ring[this.first];
    this.ring[this.first] = undefined;
    this.first = (this.first + 1) % this.capacity;
    this.held -= 1;
    return entry;
  }
}
