/**
 * The other files of a log: those in its folder with a name that rotation gives, such as `app.log.1`, `app.log.old` and
 * `app-20261122.log`. Other logs that are rotated at the same time, such as `app.log-errors`, are none.
 *
 * A path that leads to another file than before was rotated. When that happened twice, the files in between are among
 * the siblings: they are there now, and were not there while the old file still had the path. Copies that someone has
 * made are known by then, since the folder is read again whenever it changes.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { FileIdentity } from './bookmark.js';

/** A file next to the log. */
export interface Sibling extends FileIdentity {
  readonly path: string;
  /** Inode and time of birth: an inode is given to a new file as soon as the old one is deleted. */
  readonly key: string;
  readonly modifiedMs: number;
  readonly isPacked: boolean;
}

const FILES_MAX = 10_000;
const SUFFIX = String.raw`[.\-_](?:\d[\dTZ:.\-_]*|old|prev|bak|copy)`;
const PACKED = /\.(?:gz|bz2|xz|lzma|zst|zip|lz4|br|7z|Z)$/;

/** The siblings of a path. */
export class Siblings {
  private readonly folder: string;
  private readonly name: string;
  private readonly pattern: RegExp;
  private known: ReadonlySet<string>;
  private folderChangedMs = Number.NaN;

  /** @param known keys of files that were there before */
  constructor(path: string, known: readonly string[] = []) {
    this.folder = dirname(path);
    this.name = basename(path);
    const extension = extname(path);
    const stem = this.name.slice(0, this.name.length - extension.length);
    const [name, start, end] = [this.name, stem, extension].map(escaped);
    this.pattern = new RegExp(
      String.raw`^(?:${name}${SUFFIX}|${start}${SUFFIX}${end})(?:\.[a-zA-Z0-9]{1,4})?$`,
    );
    this.known = new Set(known);
  }

  /** Keys of files that are not news. */
  get knownKeys(): readonly string[] {
    return [...this.known];
  }

  /** All that are there, the oldest first. A folder that cannot be read has none. */
  async list(): Promise<Sibling[]> {
    return this.files((name) => this.pattern.test(name));
  }

  /** All other files of the folder, whatever their names. */
  async others(): Promise<Sibling[]> {
    return this.files(() => true);
  }

  /** Those that are not known, and no packed ones. They are known from now on. */
  async news(): Promise<Sibling[]> {
    const siblings = await this.list();
    const news = siblings.filter(({ key, isPacked }) => !isPacked && !this.known.has(key));
    this.known = new Set(siblings.map(({ key }) => key));
    return news;
  }

  private async files(hasName: (name: string) => boolean): Promise<Sibling[]> {
    const names = await readdir(this.folder).catch((): string[] => []);
    const found: Sibling[] = [];
    for (const name of names.filter((other) => other !== this.name && hasName(other)).slice(0, FILES_MAX)) {
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

  /**
   * Notes what is there, if the folder has changed.
   *
   * @param isUnmoved whether the path still leads to the file that is being read. It is asked after the folder was read:
   *   what appears in a rotation must not be taken for known.
   */
  async noteChanges(isUnmoved: () => Promise<boolean>): Promise<void> {
    const there = await stat(this.folder).catch(() => undefined);
    if (!there || there.mtimeMs === this.folderChangedMs) return;
    const siblings = await this.list();
    if (!(await isUnmoved())) return;
    this.folderChangedMs = there.mtimeMs;
    this.known = new Set(siblings.map(({ key }) => key));
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
