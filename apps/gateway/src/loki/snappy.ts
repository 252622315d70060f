/**
 * Decompresses the block format of Snappy (google/snappy, format_description.txt).
 *
 *   length (a varint) ─▶ elements: literal bytes, or a copy of bytes that stand before
 *
 * It is a reader of our own, because the maintained packages are native or check no bounds. The length is bounded
 * before anything is allocated, and every element has to end within it.
 */

const LENGTH_BYTES_MAX = 5;
/** A literal of up to 60 bytes has its length in the tag. Above it, the tag says how many bytes the length has. */
const SHORT_LITERAL_MAX = 60;

/** Compressed bytes that are broken. */
export class SnappyError extends Error {
  override readonly name = 'SnappyError';
}

/** The length to which bytes decompress, as they say themselves. Throws a `SnappyError` when they say none. */
export function snappyLength(bytes: Buffer): number {
  return readLength(bytes).length;
}

/**
 * Decompresses bytes. Its caller bounds `snappyLength` first.
 *
 * @throws SnappyError when they are broken
 */
export function unsnappy(bytes: Buffer): Buffer {
  const { length, end } = readLength(bytes);
  const out = Buffer.allocUnsafeSlow(length);
  let [at, filled] = [end, 0];
  while (at < bytes.length) {
    const element = readElement(bytes, at);
    const filledThen = filled + element.length;
    if (filledThen > length) throw new SnappyError('an element ends behind the length');
    if (element.offset === undefined) {
      at = element.end + element.length;
      if (at > bytes.length) throw new SnappyError('a literal ends behind the bytes');
      bytes.copy(out, filled, element.end, at);
    } else {
      at = element.end;
      if (element.offset === 0 || element.offset > filled)
        throw new SnappyError('a copy begins before the bytes');
      repeat(out, filled, element.offset, element.length);
    }
    filled = filledThen;
  }
  if (filled !== length) throw new SnappyError('the bytes end before the length');
  return out;
}

interface Element {
  readonly length: number;
  /** How far back a copy begins; `undefined` for a literal. */
  readonly offset?: number;
  /** The position behind the tag. */
  readonly end: number;
}

function readElement(bytes: Buffer, at: number): Element {
  const tag = bytes[at] ?? 0;
  const upper = tag >> 2;
  switch (tag & 3) {
    case 0: {
      if (upper < SHORT_LITERAL_MAX) return { length: upper + 1, end: at + 1 };
      const size = upper - SHORT_LITERAL_MAX + 1;
      return { length: littleEndian(bytes, at + 1, size) + 1, end: at + 1 + size };
    }
    case 1: {
      const offset = ((tag >> 5) << 8) | littleEndian(bytes, at + 1, 1);
      return { length: (upper & 7) + 4, offset, end: at + 2 };
    }
    case 2:
      return { length: upper + 1, offset: littleEndian(bytes, at + 1, 2), end: at + 3 };
    default:
      return { length: upper + 1, offset: littleEndian(bytes, at + 1, 4), end: at + 5 };
  }
}

/** A copy may overlap what it writes: with offset 1, it repeats one byte. */
function repeat(out: Buffer, to: number, offset: number, length: number): void {
  for (let copied = 0; copied < length;) {
    const size = Math.min(length - copied, offset);
    const from = to + copied - offset;
    out.copy(out, to + copied, from, from + size);
    copied += size;
  }
}

function littleEndian(bytes: Buffer, at: number, size: number): number {
  if (at + size > bytes.length) throw new SnappyError('a tag ends behind the bytes');
  return bytes.readUIntLE(at, size);
}

function readLength(bytes: Buffer): { length: number; end: number } {
  let length = 0;
  for (let at = 0; at < Math.min(bytes.length, LENGTH_BYTES_MAX); at++) {
    const byte = bytes[at] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) {
      if (length >= 2 ** 32) break;
      return { length, end: at + 1 };
    }
  }
  throw new SnappyError('the length cannot be read');
}
