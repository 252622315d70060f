const LENGTH_MIN = 1_024;
const GROWTH = 1.5;

/** Counts in a column of small numbers stop here. */
export const SMALL_MAX = 255;

/**
 * One number for each index: 32 bits with a sign, or, if small, 0 to 255.
 *
 * The numbers are packed. A million of them take four megabytes, or one, where objects would take sixty. A column grows
 * as it is written; an index that was never written reads as `absent`.
 */
export class Column {
  private values: Int32Array | Uint8Array;

  private constructor(
    private readonly make: (length: number) => Int32Array | Uint8Array,
    private readonly absent: number,
    length: number,
  ) {
    this.values = make(length).fill(absent);
  }

  /** A column of whole numbers; -1 where none was written. */
  static ofNumbers(length = LENGTH_MIN): Column {
    return new Column((size) => new Int32Array(size), -1, length);
  }

  /** A column of bits, up to 31 of them; none where none was written. */
  static ofBits(length = LENGTH_MIN): Column {
    return new Column((size) => new Int32Array(size), 0, length);
  }

  /** A column of numbers from 0 to 255; 0 where none was written. */
  static ofSmall(length = LENGTH_MIN): Column {
    return new Column((size) => new Uint8Array(size), 0, length);
  }

  get(index: number): number {
    return this.values[index] ?? this.absent;
  }

  set(index: number, value: number): void {
    if (index >= this.values.length) this.grow(index + 1);
    this.values[index] = value;
  }

  /** Sets bits and keeps those that are set. */
  add(index: number, bits: number): void {
    this.set(index, this.get(index) | bits);
  }

  /** Counts one more, up to `SMALL_MAX`. @returns the count before */
  increment(index: number): number {
    const before = this.get(index);
    if (before < SMALL_MAX) this.set(index, before + 1);
    return before;
  }

  private grow(length: number): void {
    const larger = this.make(Math.max(length, Math.ceil(this.values.length * GROWTH)));
    larger.fill(this.absent, this.values.length).set(this.values);
    this.values = larger;
  }
}
