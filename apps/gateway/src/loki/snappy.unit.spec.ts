import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compressSync } from 'snappy';
import { SnappyError, snappyLength, unsnappy } from './snappy.js';

/** Bytes with repeats near and far, so that every kind of copy occurs. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 300 })), {
    maxLength: 30,
  })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Uint8Array>(times).fill(bytes))));

/** Whether bytes give as many as they say, or a `SnappyError`. Those that say more than a megabyte are not tried. */
function isSound(bytes: Buffer): boolean {
  try {
    return snappyLength(bytes) > 1_000_000 || unsnappy(bytes).length === snappyLength(bytes);
  } catch (error) {
    return error instanceof SnappyError;
  }
}

describe('Snappy', () => {
  it('is undone, whatever was compressed', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const packed = compressSync(bytes);
        expect(snappyLength(packed)).toBe(bytes.length);
        expect(unsnappy(packed).equals(bytes)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('is undone for long literals, and for copies of four bytes of offset', () => {
    const noise = Buffer.from(Array.from({ length: 70_000 }, (_, n) => (n * 2_654_435_761) >>> 24));
    expect(unsnappy(compressSync(noise)).equals(noise)).toBe(true);
    // A length of 6, the literal "ab", and a copy of 4 bytes from 2 before.
    const copied = Buffer.from([6, 0x04, 0x61, 0x62, (3 << 2) | 3, 2, 0, 0, 0]);
    expect(unsnappy(copied).toString()).toBe('ababab');
  });

  it('that is changed or cut gives an error or other bytes of the same length, and nothing else', () => {
    fc.assert(
      fc.property(
        content,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))),
        fc.nat(),
        (bytes, changes, end) => {
          const packed = Buffer.from(compressSync(bytes));
          for (const [at, value] of changes) packed[at % packed.length] = value;
          const cut = packed.subarray(0, end % (packed.length + 1));
          expect(isSound(cut)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['nothing', []],
    ['a length without an end', [0x80, 0x80, 0x80, 0x80, 0x80]],
    ['a length beyond 32 bits', [0xff, 0xff, 0xff, 0xff, 0x7f]],
    ['fewer bytes than its length', [5, 0x00, 0x61]],
    ['more bytes than its length', [1, 0x04, 0x61, 0x62]],
    ['copies of more bytes than its length', [1, 0x00, 0x61, 0x1d, 1]],
    ['a literal that is cut', [2, 0x04, 0x61]],
    ['a copy of nothing', [4, 0x01, 1]],
    ['a copy with offset 0', [5, 0x00, 0x61, 0x01, 0]],
    ['a tag that is cut', [4, 0x00, 0x61, 0x03, 1]],
  ])('is refused: %s', (_what, bytes) => {
    expect(() => unsnappy(Buffer.from(bytes))).toThrow(SnappyError);
  });
});
