import { createHash, type Hash } from 'node:crypto';

/** Where reading stands: after a line, before the next. */
export interface LinePosition {
  /** Bytes from the beginning of the file. */
  readonly offset: number;
  /** Lines before this position. */
  readonly line: number;
  /** Digest of the line before, hexadecimal; empty at the beginning. */
  readonly digest: string;
}

/** One line. */
export interface Line extends LinePosition {
  /** Its bytes without the line ending; only the first of them when it is too long. */
  readonly bytes: Buffer;
  /** The number of bytes that are not in `bytes`. */
  readonly truncatedBytes: number;
}

/** The beginning of a file. */
export const FILE_START: LinePosition = { offset: 0, line: 0, digest: '' };
/** Bytes of one line that are kept. As JSON each may become six, and an event has at most 256 KiB. */
export const LINE_BYTES_MAX = 32_768;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts a stream of bytes into lines, and gives each line an identity. It takes the chunks in order.
 *
 * A line's digest is chained: it is the hash of the digest before it and of the line's bytes. So it stands for the
 * whole file up to there, and the same file always gives the same digests. Two files with the same name (before and
 * after a rotation, say) differ from the first line on that differs. The same line of text in two places is two lines.
 *
 * Memory is bounded: only the beginning of a line that is too long is kept, but all of it goes into the digest.
 */
export class LineSplitter {
  private position: LinePosition;
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private lineBytes = 0;
  private hash: Hash;

  constructor(from: LinePosition = FILE_START) {
    this.position = from;
    this.hash = createHash('sha256').update(from.digest);
  }

  /** Bytes of a line whose end has not arrived. */
  get unfinishedBytes(): number {
    return this.lineBytes;
  }

  /** The lines that end in this chunk. */
  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.take(chunk.subarray(start, end));
      lines.push(this.end(1));
      start = end + 1;
    }
    this.take(chunk.subarray(start));
    return lines;
  }

  /** What remains at the end of the file: a last line without a newline. */
  finish(): Line | undefined {
    return this.lineBytes === 0 ? undefined : this.end(0);
  }

  private take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.hash.update(bytes);
    this.lineBytes += bytes.length;
    const room = LINE_BYTES_MAX - this.keptBytes;
    if (room <= 0) return;
    // This is a copy, because the caller reads the next chunk into the same memory.
    const part = Buffer.from(bytes.subarray(0, room));
    this.kept.push(part);
    this.keptBytes += part.length;
  }

  private end(terminatorBytes: number): Line {
    const digest = this.hash.digest('hex').slice(0, 32);
    const whole = Buffer.concat(this.kept);
    const bytes = this.lineBytes > whole.length ? atCharacterEnd(whole) : withoutCarriageReturn(whole);
    const truncatedBytes = this.lineBytes > whole.length ? this.lineBytes - bytes.length : 0;
    this.position = {
      offset: this.position.offset + this.lineBytes + terminatorBytes,
      line: this.position.line + 1,
      digest,
    };
    this.kept = [];
    this.keptBytes = 0;
    this.lineBytes = 0;
    this.hash = createHash('sha256').update(digest);
    return { ...this.position, bytes, truncatedBytes };
  }
}

function withoutCarriageReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
}

/** Cuts off the beginning of a UTF-8 character whose rest was cut. */
function atCharacterEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
