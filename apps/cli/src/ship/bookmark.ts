/**
 * How far a path has been shipped, kept on disk while it is being shipped.
 *
 *   no bookmark ─▶ shipping (written now and then) ─▶ all shipped: removed
 *                     └─ interrupted or killed: stays, and the next run begins there
 *
 * So an interrupted run continues where it was, and a complete one sends everything again on request. A bookmark only
 * saves time. Without it, or with an old one, lines are sent again and dropped as duplicates.
 *
 * There is one exception. A file that began like its predecessor has salted digests, and only the bookmark knows the
 * salt. So a complete run keeps a bookmark with a salt, and marks it as finished.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemEnvironment } from '#config';
import type { LinePosition } from './line-splitter.js';

/** Distinguishes files that had the same path. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** A position in a certain file. */
export interface Mark extends FileIdentity, LinePosition {
  /** Hash of the bytes before the position. Other content under the same inode is another file. */
  readonly edge: string;
  /** What the file's digests are salted with; empty when they are not. */
  readonly salt: string;
  /** When the file was created: an inode is given to a new file as soon as the old one is deleted. */
  readonly bornMs: number;
  /** How many times the file was seen to be truncated. */
  readonly generation: number;
}

/** What is known of a path. */
export interface PathRecord {
  /** One for each file that was being read, the file at the path last. */
  readonly marks: readonly Mark[];
  /** Keys of files in the folder that are not to be read, because they were there before. */
  readonly siblings: readonly string[];
  /** Digests of the first lines of files that were at the path. */
  readonly firstDigests: readonly string[];
  /** Whether everything was shipped, so that the next run begins at the beginning. */
  readonly isFinished: boolean;
}

/** The folder of the bookmarks when the user does not name one. */
export function bookmarkDirectory(): string {
  return join(systemEnvironment()['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'sekali', 'ship');
}

/** The hash by which the bytes before a position are recognised. */
export function edgeHash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** The bookmark of one path on its way to one place. */
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

  /** What the last run left, or `undefined` when there is nothing that can be read. */
  async find(): Promise<PathRecord | undefined> {
    try {
      const record = JSON.parse(await readFile(this.file, 'utf8')) as Partial<PathRecord>;
      const { marks, siblings, firstDigests, isFinished } = record;
      const isWhole = Array.isArray(marks) && Array.isArray(siblings) && Array.isArray(firstDigests);
      return isWhole ? { marks, siblings, firstDigests, isFinished: isFinished === true } : undefined;
    } catch {
      // The bookmark is missing or not readable. To begin at the beginning is always right.
      return undefined;
    }
  }

  /** Writes how far the shipment is. Throws the file system's own error. */
  async set(record: PathRecord): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const fresh = `${this.file}.${process.pid}`;
    await writeFile(fresh, `${JSON.stringify({ path: this.path, ...record })}\n`, { mode: 0o600 });
    await rename(fresh, this.file);
  }

  /** Removes the bookmark. */
  async remove(): Promise<void> {
    await rm(this.file, { force: true }).catch(() => undefined);
  }
}
