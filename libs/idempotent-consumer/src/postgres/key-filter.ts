/**
 * A filter of keys: it says that a key is surely not in a closed generation, or that it may be.
 *
 * It is a blocked Bloom filter. A key sets one bit in each of the eight words of one block, so that a probe reads one
 * line of the processor's cache. A key that is not there mostly fails at the first four words.
 *
 *   hash, upper half ─▶ block      hash, lower half × salt ─▶ one bit of 32, in each of 8 words
 *
 * The block is `floor(upper half × blocks)`, with the upper half as a fraction. So the number of blocks need not be a
 * power of two, which would waste up to half of the bits. Halving the number joins neighbours: a *folded* filter has
 * half the bytes, answers `has` for the same keys, and for more that are not there.
 *
 * False positives: 0.04 % at 20 bits a key, 1.3 % at 10, 18 % at 5. There are never false negatives.
 *
 * Designs that were considered: a Bloom filter over all bits is slightly more precise, and needs seven cache lines. Fuse
 * filters take 9 bits for 0.4 %. They need every hash of a generation in memory while they are built, and cannot be
 * folded.
 *
 * The layout follows Putze, Sanders and Singler (Cache-, Hash- and Space-Efficient Bloom Filters, 2007).
 */

const BLOCK_WORDS = 8;
const BLOCK_BITS = BLOCK_WORDS * 32;
/** How often a filter can be folded. */
export const FOLDS = 4;
/** A fraction of 28 bits times 24 bits of blocks is exact in a double: rounding would lose keys. */
const BLOCKS_MAX = 2 ** 24;
const FRACTION_BITS = 28;

/** Odd numbers, so that each of them spreads the lower half over other bits. */
const [SALT_0, SALT_1, SALT_2, SALT_3] = [0x2c1b3c6d, 0x297a2d39, 0x85ebca6b, 0xc2b2ae35] as const;
const [SALT_4, SALT_5, SALT_6, SALT_7] = [0x9e3779b1, 0x27d4eb2f, 0x165667b1, 0xd3a2646d] as const;

/** A filter of one closed generation. Keys are given by the two halves of their hash (key-hash.ts). */
export class KeyFilter {
  /** How many keys it has. */
  keys = 0;
  private readonly blocks: number;

  private constructor(
    /** The bits, 8 words a block. */
    readonly words: Uint32Array,
  ) {
    this.blocks = words.length / BLOCK_WORDS;
  }

  /**
   * Creates an empty filter of a given size.
   *
   * @param words its size before it is folded, in words of 32 bits
   * @param folds how often it is folded
   * @throws RangeError when no filter has that size
   */
  static ofWords(words: number, folds: number): KeyFilter {
    const blocks = words / BLOCK_WORDS;
    if (blocks > 0 && blocks <= BLOCKS_MAX && Number.isInteger(blocks / 2 ** folds))
      return new KeyFilter(new Uint32Array(words / 2 ** folds));
    throw new RangeError(`a filter cannot have ${words} words and be folded ${folds} times`);
  }

  /** Creates an empty filter for about as many keys. */
  static forKeys(keys: number, bitsPerKey: number): KeyFilter {
    const unit = 2 ** FOLDS;
    const units = Math.floor((keys * bitsPerKey) / BLOCK_BITS / unit);
    const blocks = Math.min(Math.max(units, 1) * unit, BLOCKS_MAX);
    return KeyFilter.ofWords(blocks * BLOCK_WORDS, 0);
  }

  get bytes(): number {
    return this.words.byteLength;
  }

  /** Adds a key. */
  add(high: number, low: number): void {
    const { words } = this;
    const at = this.startOf(high);
    words[at] = (words[at] as number) | bitOf(low, SALT_0);
    words[at + 1] = (words[at + 1] as number) | bitOf(low, SALT_1);
    words[at + 2] = (words[at + 2] as number) | bitOf(low, SALT_2);
    words[at + 3] = (words[at + 3] as number) | bitOf(low, SALT_3);
    words[at + 4] = (words[at + 4] as number) | bitOf(low, SALT_4);
    words[at + 5] = (words[at + 5] as number) | bitOf(low, SALT_5);
    words[at + 6] = (words[at + 6] as number) | bitOf(low, SALT_6);
    words[at + 7] = (words[at + 7] as number) | bitOf(low, SALT_7);
    this.keys++;
  }

  /**
   * Whether a key may be there. `false` is certain.
   *
   * Four words are read before the first branch. A branch on each word would be predicted wrongly half of the time, and
   * the processor could not read the filters of other generations ahead.
   */
  has(high: number, low: number): boolean {
    const { words } = this;
    const at = this.startOf(high);
    const firstFour =
      shifted(words[at] as number, low, SALT_0) &
      shifted(words[at + 1] as number, low, SALT_1) &
      shifted(words[at + 2] as number, low, SALT_2) &
      shifted(words[at + 3] as number, low, SALT_3);
    if ((firstFour & 1) === 0) return false;
    const lastFour =
      shifted(words[at + 4] as number, low, SALT_4) &
      shifted(words[at + 5] as number, low, SALT_5) &
      shifted(words[at + 6] as number, low, SALT_6) &
      shifted(words[at + 7] as number, low, SALT_7);
    return (lastFour & 1) !== 0;
  }

  /**
   * Adds the keys of a part of another filter.
   *
   * @param words whole blocks of it
   * @param first the number of the first of these words in that filter
   * @param folds how often this filter is folded, and that one is not
   */
  merge(words: Uint32Array, first: number, folds: number): void {
    const target = this.words;
    for (let start = 0; start < words.length; start += BLOCK_WORDS) {
      const at = (((first + start) / BLOCK_WORDS) >>> folds) * BLOCK_WORDS;
      for (let word = 0; word < BLOCK_WORDS; word++)
        target[at + word] = (target[at + word] as number) | (words[start + word] as number);
    }
  }

  /** Returns the filter in half the bytes, or `undefined` when it has no half. */
  folded(): KeyFilter | undefined {
    if (this.blocks % 2 !== 0) return undefined;
    const half = KeyFilter.ofWords(this.words.length, 1);
    half.merge(this.words, 0, 1);
    half.keys = this.keys;
    return half;
  }

  private startOf(high: number): number {
    const fraction = high >>> (32 - FRACTION_BITS);
    return Math.floor((fraction * this.blocks) / 2 ** FRACTION_BITS) * BLOCK_WORDS;
  }
}

function bitOf(low: number, salt: number): number {
  return 1 << (Math.imul(low, salt) >>> 27);
}

/** Shifts the bit of a key to the end of its word. */
function shifted(word: number, low: number, salt: number): number {
  return word >>> (Math.imul(low, salt) >>> 27);
}
