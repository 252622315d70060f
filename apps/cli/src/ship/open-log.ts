/**
 * One open file, read in chunks from a position on.
 *
 *   read ─┬─ more ─────────────▶ lines
 *         ├─ nothing ──────────▶ end, for now
 *         └─ other bytes before ▶ truncated: this is not the file that was read
 *
 * Each read begins a little before the place that was reached. When the bytes there are not those of the last read, the
 * file was cut and written again, even if it is longer now than it was. One case cannot be seen: a file that was
 * written again, between two reads, with the very same bytes before that place.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { edgeHash, type FileIdentity, type Mark } from './bookmark.js';
import { FILE_START, type Line, type LinePosition, LineSplitter } from './line-splitter.js';

/** The result of a read. */
export type LogRead =
  | { readonly kind: 'lines'; readonly lines: readonly Line[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'truncated' };

/** Where and how to begin with a file. */
export interface LogStart {
  /** The beginning of the file when left out. */
  readonly from?: LinePosition;
  /** Digests of first lines that other files at the path had. A file that begins with one of them is salted. */
  readonly taken?: ReadonlySet<string>;
  /** How many times the file was seen to be truncated. */
  readonly generation?: number;
  /** What the lines before `from` were salted with. */
  readonly keptSalt?: string;
}

const NOTHING: ReadonlySet<string> = new Set();
const CHUNK_BYTES = 262_144;
/** Bytes before the place that was reached, which are read again and compared. */
const WINDOW_BYTES = 65_536;
/** Bytes before a mark by which its file is recognised. */
const EDGE_BYTES = 1_024;

/** An open file. */
export class OpenLog {
  private readonly splitter: LineSplitter;
  private readonly memory = Buffer.allocUnsafe(WINDOW_BYTES + CHUNK_BYTES);
  /** The bytes of the last read, with those before it. */
  private window: Buffer = this.memory.subarray(0, 0);
  private reached: number;
  private changedAt = performance.now();

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    readonly identity: FileIdentity & { readonly bornMs: number },
    private readonly start: LogStart,
  ) {
    const { from = FILE_START, taken = NOTHING, generation = 0 } = start;
    const { device, inode, bornMs } = identity;
    this.reached = from.offset;
    this.splitter = new LineSplitter(from, { taken, salt: [device, inode, bornMs, generation].join(':') });
  }

  /** Opens a file. Throws the file system's own error. */
  static async open(path: string, start: LogStart = {}): Promise<OpenLog> {
    const handle = await open(path, 'r');
    try {
      const { dev: device, ino: inode, birthtimeMs: bornMs } = await handle.stat();
      const log = new OpenLog(path, handle, { device, inode, bornMs }, start);
      await log.loadEdge();
      return log;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * The same file as a new one, from its beginning. This log must not be used after that.
   *
   * A program that did not notice the cut writes on at its old place, and there are zeros before it. They are left out.
   */
  async restart(taken: ReadonlySet<string>, generation = 0): Promise<OpenLog> {
    const from = { ...FILE_START, offset: await this.zerosAtStart() };
    const log = new OpenLog(this.path, this.handle, this.identity, { from, taken, generation });
    await log.loadEdge();
    return log;
  }

  /** How many times the file was seen to be truncated. */
  get generation(): number {
    return this.start.generation ?? 0;
  }

  /** After the last line that was read. */
  get end(): LinePosition {
    return this.splitter.end;
  }

  /** Bytes of a line whose end has not arrived. */
  get unfinishedBytes(): number {
    return this.splitter.unfinishedBytes;
  }

  /** How long nothing new has been read. */
  get quietMs(): number {
    return performance.now() - this.changedAt;
  }

  /** Digest of the file's first line without a salt; empty when this log did not read it. */
  get firstDigest(): string {
    return this.splitter.firstDigest;
  }

  /** Reads the next chunk. */
  async read(): Promise<LogRead> {
    const edge = Buffer.from(this.window.subarray(-WINDOW_BYTES));
    const { bytesRead } = await this.handle.read(
      this.memory,
      0,
      edge.length + CHUNK_BYTES,
      this.reached - edge.length,
    );
    const isSame = bytesRead >= edge.length && edge.equals(this.memory.subarray(0, edge.length));
    if (!isSame) {
      edge.copy(this.memory);
      this.window = this.memory.subarray(0, edge.length);
      return { kind: 'truncated' };
    }
    this.window = this.memory.subarray(0, bytesRead);
    const more = this.memory.subarray(edge.length, bytesRead);
    if (more.length === 0) return { kind: 'end' };
    this.reached += more.length;
    this.changedAt = performance.now();
    return { kind: 'lines', lines: this.splitter.push(more) };
  }

  /** What there is of a last line without a newline, as a line. */
  finish(): Line | undefined {
    return this.splitter.finish();
  }

  /**
   * The mark after a line, or `undefined` when that line is too far back. Then an earlier mark must do: it only costs
   * that some lines are sent again.
   */
  markAt({ offset, line, digest }: LinePosition): Mark | undefined {
    const windowStart = this.reached - this.window.length;
    const from = Math.max(0, offset - EDGE_BYTES);
    if (from < windowStart || offset > this.reached) return undefined;
    const edge = edgeHash(this.window.subarray(from - windowStart, offset - windowStart));
    const salt = this.splitter.salt === '' ? (this.start.keptSalt ?? '') : this.splitter.salt;
    return { ...this.identity, offset, line, digest, edge, salt, generation: this.generation };
  }

  /** Whether this file has the bytes of a mark before the mark's position. */
  async matches(mark: Pick<Mark, 'offset' | 'edge'>): Promise<boolean> {
    const from = Math.max(0, mark.offset - EDGE_BYTES);
    const bytes = await this.bytesAt(from, mark.offset - from);
    return bytes.length === mark.offset - from && edgeHash(bytes) === mark.edge;
  }

  /** Whether another file begins like this one, as far as this one was read. */
  async isBeginningOf(other: OpenLog): Promise<boolean> {
    if (this.reached === 0) return false;
    const edge = this.window.subarray(-WINDOW_BYTES);
    const there = await other.bytesAt(this.reached - edge.length, edge.length);
    return there.equals(edge);
  }

  /** When the file was last changed, and whether it still has a name. */
  async status(): Promise<{ readonly modified: Date; readonly hasName: boolean }> {
    const { mtime: modified, nlink } = await this.handle.stat();
    return { modified, hasName: nlink > 0 };
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.handle.close();
  }

  private async loadEdge(): Promise<void> {
    const from = Math.max(0, this.reached - WINDOW_BYTES);
    const edge = await this.bytesAt(from, this.reached - from);
    edge.copy(this.memory);
    this.window = this.memory.subarray(0, edge.length);
  }

  private async bytesAt(offset: number, length: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  private async zerosAtStart(): Promise<number> {
    for (let offset = 0; ;) {
      const bytes = await this.bytesAt(offset, CHUNK_BYTES);
      const length = bytes.findIndex((byte) => byte !== 0);
      if (length !== -1) return offset + length;
      if (bytes.length === 0) return offset;
      offset += bytes.length;
    }
  }
}
