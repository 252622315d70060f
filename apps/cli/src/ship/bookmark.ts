/**
 * How far a file has been shipped, kept on disk while it is being shipped.
 *
 *   no bookmark ─▶ shipping (written now and then) ─▶ all shipped: removed
 *                     └─ interrupted or killed: stays, and the next run begins there
 *
 * So an interrupted run continues where it was, and a complete one sends everything again on request. A bookmark only
 * saves time. Without it, or with an old one, lines are sent again and dropped as duplicates.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemEnvironment } from '#config';
import type { FileIdentity } from './log-file.js';
import type { LinePosition } from './line-splitter.js';

/** A position in a certain file. */
export interface Mark extends FileIdentity, LinePosition {}

interface BookmarkRecord extends Mark {
  readonly path: string;
  /** Hash of the bytes before the position. Other content under the same inode is another file. */
  readonly edge: string;
}

const EDGE_BYTES = 1_024;

/** The folder of the bookmarks when the user does not name one. */
export function bookmarkDirectory(): string {
  return join(systemEnvironment()['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'sekali', 'ship');
}

/** The bookmark of one file on its way to one place. */
export class Bookmark {
  private readonly file: string;

  /**
   * @param path of the file that is shipped, absolute
   * @param destination what else identifies the shipment: gateway, topic, name
   */
  constructor(
    private readonly directory: string,
    private readonly path: string,
    destination: readonly string[],
  ) {
    const key = createHash('sha256')
      .update(JSON.stringify([path, ...destination]))
      .digest('hex');
    this.file = join(directory, `${key.slice(0, 32)}.json`);
  }

  /** Where an interrupted run got to, if it was in this very file; `undefined` otherwise. */
  async find(): Promise<Mark | undefined> {
    try {
      const record = JSON.parse(await readFile(this.file, 'utf8')) as BookmarkRecord;
      const { device, inode, offset, edge } = record;
      const handle = await open(this.path, 'r');
      try {
        const there = await handle.stat();
        const same = there.dev === device && there.ino === inode && there.size >= offset;
        return same && (await edgeAt(this.path, offset)) === edge ? record : undefined;
      } finally {
        await handle.close();
      }
    } catch {
      // The bookmark is missing or not readable. To begin at the beginning is always right.
      return undefined;
    }
  }

  /** Writes how far the shipment is. Throws the file system's own error. */
  async set(mark: Mark): Promise<void> {
    const record: BookmarkRecord = { ...mark, path: this.path, edge: await edgeAt(this.path, mark.offset) };
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const fresh = `${this.file}.${process.pid}`;
    await writeFile(fresh, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    await rename(fresh, this.file);
  }

  /** Removes the bookmark. */
  async remove(): Promise<void> {
    await rm(this.file, { force: true }).catch(() => undefined);
  }
}

async function edgeAt(path: string, offset: number): Promise<string> {
  const length = Math.min(EDGE_BYTES, offset);
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset - length);
    return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex').slice(0, 32);
  } finally {
    await handle.close();
  }
}

/** The end of an unbroken row of finished pieces, which finish in any order. */
export class FinishedPrefix<T> {
  private readonly pieces: { end: T; finished: boolean }[] = [];
  private reached: T | undefined;

  /**
   * Notes a piece that begins where the last one ended. The caller calls the returned function when the piece is
   * finished.
   */
  begin(end: T): () => void {
    const piece = { end, finished: false };
    this.pieces.push(piece);
    return () => {
      piece.finished = true;
      while (this.pieces[0]?.finished) this.reached = this.pieces.shift()?.end;
    };
  }

  /** Everything up to here is finished. */
  get end(): T | undefined {
    return this.reached;
  }
}
