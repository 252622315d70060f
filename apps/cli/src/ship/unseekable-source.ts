/**
 * Lines that come once, in order, and cannot be read again from a place in the middle: packed files and standard input.
 *
 * They end for good, so a last line without a newline is a line. There are no marks, because to continue they would have
 * to be read from the beginning anyway. An interrupted run sends everything again, and what the brokers have is dropped.
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { valueOrTimeout } from '#waiting';
import type { LineGroup, LineSource } from './line-source.js';
import { LineSplitter } from './line-splitter.js';

/** After this long without new bytes, the lines so far are sent. */
const IDLE_MS = 300;
const GZIP_START = Buffer.from([0x1f, 0x8b]);

/** A stream of bytes as lines. */
export class UnseekableSource implements LineSource {
  readonly heldBackBytes = 0;
  readonly resumedAt = undefined;

  /**
   * @param bytes destroyed at the end; it may fail with an error of the system or of zlib
   * @param modifiedOf when the lines were last changed
   */
  constructor(
    private readonly bytes: Readable,
    private readonly modifiedOf: () => Date,
    private readonly signal: AbortSignal,
  ) {
    // A process that writes nothing would keep the command from ending.
    const end = (): void => void bytes.destroy();
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  async *groups(): AsyncGenerator<LineGroup> {
    const splitter = new LineSplitter();
    const group = (lines: LineGroup['lines'], hasEnded = false): LineGroup => ({
      ...{ lines, modified: this.modifiedOf(), file: this, hasEnded },
    });
    const chunks = this.bytes[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    for (;;) {
      const next = this.nextChunk(chunks);
      if ((await valueOrTimeout(IDLE_MS, next)) === undefined) yield group([]);
      const result = await next;
      if (result.done === true) break;
      const lines = splitter.push(result.value);
      if (lines.length > 0) yield group(lines);
    }
    if (this.signal.aborted) return;
    const last = splitter.finish();
    yield group(last ? [last] : [], true);
  }

  markAt(): undefined {
    return undefined;
  }

  recordOf(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.bytes.destroy();
    return Promise.resolve();
  }

  private async nextChunk(
    chunks: AsyncIterator<Buffer, undefined>,
  ): Promise<IteratorResult<Buffer, undefined>> {
    try {
      return await chunks.next();
    } catch (error) {
      if (this.signal.aborted) return { done: true, value: undefined };
      throw error;
    }
  }
}

/** Whether a file is packed by gzip, whatever its name says. Throws the file system's own error. */
export async function isGzip(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(GZIP_START.length), 0, GZIP_START.length, 0);
    return bytesRead === GZIP_START.length && buffer.equals(GZIP_START);
  } finally {
    await handle.close();
  }
}

/** The lines of a file that is packed by gzip. Throws the file system's own error. */
export async function gzipSource(path: string, signal: AbortSignal): Promise<UnseekableSource> {
  const { mtime } = await stat(path);
  const unpacked = new PassThrough();
  // An error of each part reaches the last one, which is read.
  pipeline(createReadStream(path), createGunzip(), unpacked, () => undefined);
  return new UnseekableSource(unpacked, () => mtime, signal);
}

/** The lines of standard input. Their time, unless they have one, is that of their arrival. */
export function standardInputSource(signal: AbortSignal): UnseekableSource {
  return new UnseekableSource(process.stdin, () => new Date(), signal);
}
