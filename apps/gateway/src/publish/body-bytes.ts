const FIRST_BYTES = 16_384;

/**
 * Collects the bytes of a body in one buffer, however small its chunks are.
 *
 * As separate chunks, single bytes would take hundreds of bytes each. A body that comes in one chunk is not copied.
 */
export class BodyBytes {
  private bytes: Buffer | undefined;
  private used = 0;

  /** Number of bytes so far. */
  get length(): number {
    return this.used;
  }

  /** Appends a chunk. */
  add(chunk: Buffer): void {
    if (this.bytes === undefined) {
      this.bytes = chunk;
    } else {
      const needed = this.used + chunk.length;
      if (needed > this.bytes.length) {
        // Buffers of the pool would keep the whole pool alive for a part of it.
        const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length, FIRST_BYTES));
        this.bytes.copy(grown, 0, 0, this.used);
        this.bytes = grown;
      }
      chunk.copy(this.bytes, this.used);
    }
    this.used += chunk.length;
  }

  /** All bytes, without a copy. */
  whole(): Buffer {
    return this.bytes?.subarray(0, this.used) ?? Buffer.alloc(0);
  }
}
