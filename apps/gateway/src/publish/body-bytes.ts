const FIRST_BYTES = 16_384;

/**
 * The bytes of a body in one piece, however small the pieces are in which they come.
 *
 * Kept as they come, a byte at a time would take hundreds of bytes each. A body that comes at once is not copied.
 */
export class BodyBytes {
  private bytes: Buffer | undefined;
  private used = 0;

  /** How many there are. */
  get length(): number {
    return this.used;
  }

  /** Puts some behind those that are there. */
  add(chunk: Buffer): void {
    if (this.bytes === undefined) {
      this.bytes = chunk;
    } else {
      const needed = this.used + chunk.length;
      if (needed > this.bytes.length) {
        // Not from the pool, which would be kept as a whole for the sake of a part.
        const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length, FIRST_BYTES));
        this.bytes.copy(grown, 0, 0, this.used);
        this.bytes = grown;
      }
      chunk.copy(this.bytes, this.used);
    }
    this.used += chunk.length;
  }

  /** All of them; not a copy. */
  whole(): Buffer {
    return this.bytes?.subarray(0, this.used) ?? Buffer.alloc(0);
  }
}
