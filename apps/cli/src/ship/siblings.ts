/**
 * The other files of a log: those in its folder whose names begin with its name, such as `app.log.1`.
 *
 * A path that leads to another file than before was rotated. When that happened twice, the files in between are among
 * the siblings: they are there now, and were not there while the old file still had the path. Copies that someone has
 * made are known by then, since the folder is read again whenever it changes.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileIdentity } from './bookmark.js';

/** A file next to the log. */
export interface Sibling extends FileIdentity {
  readonly path: string;
  /** Inode and time of birth: an inode is given to a new file as soon as the old one is deleted. */
  readonly key: string;
  readonly modifiedMs: number;
  readonly isPacked: boolean;
}

const SIBLINGS_MAX = 10_000;
const PACKED = /\.(?:gz|bz2|xz|zst|zip|lz4|Z)$/;

/** The siblings of a path. */
export class Siblings {
  private readonly folder: string;
  private readonly name: string;
  private known: ReadonlySet<string>;
  private folderChangedMs = Number.NaN;

  /** @param known keys of files that were there before */
  constructor(path: string, known: readonly string[] = []) {
    this.folder = dirname(path);
    this.name = basename(path);
    this.known = new Set(known);
  }

  /** Keys of files that are not news. */
  get knownKeys(): readonly string[] {
    return [...this.known];
  }

  /** All that are there, the oldest first. A folder that cannot be read has none. */
  async list(): Promise<Sibling[]> {
    const names = await readdir(this.folder).catch((): string[] => []);
    const found: Sibling[] = [];
    for (const name of names.slice(0, SIBLINGS_MAX)) {
      if (!name.startsWith(this.name) || name === this.name) continue;
      const path = join(this.folder, name);
      const there = await stat(path).catch(() => undefined);
      if (!there?.isFile()) continue;
      const { ino: inode, dev: device, mtimeMs: modifiedMs, birthtimeMs } = there;
      found.push({
        path,
        inode,
        device,
        modifiedMs,
        key: `${inode}:${birthtimeMs}`,
        isPacked: PACKED.test(name),
      });
    }
    return found.sort((a, b) => a.modifiedMs - b.modifiedMs);
  }

  /** Those that are not known, and no packed ones. They are known from now on. */
  async news(): Promise<Sibling[]> {
    const siblings = await this.list();
    const news = siblings.filter(({ key, isPacked }) => !isPacked && !this.known.has(key));
    this.known = new Set(siblings.map(({ key }) => key));
    return news;
  }

  /** Notes what is there, if the folder has changed. To be called while the path still leads to the file being read. */
  async noteChanges(): Promise<void> {
    const there = await stat(this.folder).catch(() => undefined);
    if (!there || there.mtimeMs === this.folderChangedMs) return;
    this.folderChangedMs = there.mtimeMs;
    this.known = new Set((await this.list()).map(({ key }) => key));
  }
}
