import { createHash, hash, type Hash } from 'node:crypto';

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
  /** Bytes of the file before it. */
  readonly start: number;
  /** The number of bytes that are not in `bytes`. */
  readonly truncatedBytes: number;
}

/** The beginning of a file. */
export const FILE_START: LinePosition = { offset: 0, line: 0, digest: '' };
/** Bytes of one line that are kept. As JSON each may become six, and an event has at most 256 KiB. */
export const LINE_BYTES_MAX = 32_768;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Distinguishes the files that one path leads to, one after the other. */
export interface Salting {
  /** Digests of the first lines of files that were at this path before. */
  readonly taken: ReadonlySet<string>;
  /** What distinguishes this file, should its first line be among them. Empty: nothing does. */
  readonly salt: string;
}

const NO_SALTING: Salting = { taken: new Set(), salt: '' };
const DIGEST_LENGTH = 32;
/** A line up to this length is hashed in one call, which costs half of what a stream of two pieces costs. */
const SCRATCH_BYTES = 65_536;

/**
 * Cuts a stream of bytes into lines, and gives each line an identity. It takes the chunks in order.
 *
 * A line's digest is chained: it is the hash of the digest before it and of the line's bytes. So it stands for the
 * whole file up to there, and the same file always gives the same digests. Two files with the same name (before and
 * after a rotation, say) differ from the first line on that differs, or from the first line when they are salted. The
 * same line of text in two places is two lines.
 *
 * Memory is bounded: only the beginning of a line that is too long is kept, but all of it goes into the digest.
 */
export class LineSplitter {
  private position: LinePosition;
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private lineBytes = 0;
  private stream: Hash | undefined;
  private readonly scratch = Buffer.allocUnsafe(DIGEST_LENGTH + SCRATCH_BYTES);
  private first = '';
  private isSalted = false;

  constructor(
    from: LinePosition = FILE_START,
    private readonly salting: Salting = NO_SALTING,
  ) {
    this.position = from;
  }

  /** After the last line that ended. */
  get end(): LinePosition {
    return this.position;
  }

  /** Bytes of a line whose end has not arrived. */
  get unfinishedBytes(): number {
    return this.lineBytes;
  }

  /** Digest of the first line of the file without a salt; empty when it was not read. */
  get firstDigest(): string {
    return this.first;
  }

  /** What the digests were salted with; empty when they were not. */
  get salt(): string {
    return this.isSalted ? this.salting.salt : '';
  }

  /** The lines that end in this chunk. */
  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const bytes = chunk.subarray(start, end);
      lines.push(
        this.lineBytes === 0 && bytes.length <= LINE_BYTES_MAX ? this.whole(bytes) : this.last(bytes),
      );
      start = end + 1;
    }
    this.take(chunk.subarray(start));
    return lines;
  }

  /** What remains at the end of the file: a last line without a newline. */
  finish(): Line | undefined {
    return this.lineBytes === 0 ? undefined : this.endLine(0);
  }

  /** A line of which nothing came before. The bytes are copied: the next chunk is read into the same memory. */
  private whole(bytes: Buffer): Line {
    const { digest } = this.position;
    const before = this.scratch.write(digest, 'latin1');
    const length = before + bytes.copy(this.scratch, before);
    const line = withoutCarriageReturn(Buffer.from(bytes));
    return this.advance(bytes.length + 1, hash('sha256', this.scratch.subarray(0, length), 'hex'), line, 0);
  }

  private last(bytes: Buffer): Line {
    this.take(bytes);
    return this.endLine(1);
  }

  private take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.stream ??= createHash('sha256').update(this.position.digest);
    this.stream.update(bytes);
    this.lineBytes += bytes.length;
    const room = LINE_BYTES_MAX - this.keptBytes;
    if (room <= 0) return;
    const part = Buffer.from(bytes.subarray(0, room));
    this.kept.push(part);
    this.keptBytes += part.length;
  }

  private endLine(terminatorBytes: number): Line {
    const { lineBytes } = this;
    const stream = this.stream ?? createHash('sha256').update(this.position.digest);
    const whole = Buffer.concat(this.kept);
    const bytes = lineBytes > whole.length ? atCharacterEnd(whole) : withoutCarriageReturn(whole);
    const truncatedBytes = lineBytes > whole.length ? lineBytes - bytes.length : 0;
    this.kept = [];
    this.keptBytes = 0;
    this.lineBytes = 0;
    this.stream = undefined;
    return this.advance(lineBytes + terminatorBytes, stream.digest('hex'), bytes, truncatedBytes);
  }

  private advance(fileBytes: number, fullDigest: string, bytes: Buffer, truncatedBytes: number): Line {
    let digest = fullDigest.slice(0, DIGEST_LENGTH);
    if (this.position.line === 0) {
      this.first = digest;
      this.isSalted = this.salting.salt !== '' && this.salting.taken.has(digest);
      if (this.isSalted) digest = hash('sha256', this.salting.salt + digest, 'hex').slice(0, DIGEST_LENGTH);
    }
    const { offset, line } = this.position;
    this.position = { offset: offset + fileBytes, line: line + 1, digest };
    // A spread would cost more than the hash.
    return { offset: offset + fileBytes, line: line + 1, digest, bytes, start: offset, truncatedBytes };
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
