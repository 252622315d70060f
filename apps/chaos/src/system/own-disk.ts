/**
 * Small disks for brokers: a tmpfs each, which needs root on Linux.
 *
 *   <data>/nats-1/store ──symbolic link──▶ <folder>/nats-1 (tmpfs)
 *
 * With the link, `sekali up` clears its data as if there were no disk. A disk is filled by a file that takes every byte
 * that is left, and freed by removing that file.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, open, rename, rm, statfs, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BrokerDisk } from './target.js';

const run = promisify(execFile);
const COMMAND_MS_MAX = 10_000;
const FILLER = 'filler';
const CHUNK_BYTES = 1024 ** 2;
/** More than a broker writes between two calls. */
const OTHERS_BYTES = 32 * CHUNK_BYTES;

/** Disks that were mounted for one system. */
export class OwnDisks {
  private readonly disks = new Map<string, OwnDisk>();
  private readonly unmountNow = (): void => {
    this.unmountAll();
  };

  private constructor(
    private readonly folder: string,
    private readonly bytes: number,
  ) {
    process.once('exit', this.unmountNow);
  }

  /** Tries whether a disk can be mounted at all. @returns undefined, and why, when it cannot */
  static async open(bytes: number): Promise<{ disks: OwnDisks } | { disks: undefined; why: string }> {
    const disks = new OwnDisks(mkdtempSync(join(tmpdir(), 'sekali-disks-')), bytes);
    try {
      await disks.mount('trial');
      return { disks };
    } catch (error) {
      disks.close();
      const why = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message;
      return { disks: undefined, why };
    }
  }

  /** Mounts a disk and moves a store onto it. The process that uses the store must be down. */
  async take(name: string, store: string): Promise<void> {
    const disk = await this.mount(name);
    const aside = `${store}.aside`;
    await cp(store, disk.path, { recursive: true });
    await rename(store, aside);
    await symlink(disk.path, store);
    await rm(aside, { recursive: true });
  }

  /** The disk of a broker; undefined for one that has none. */
  of(name: string): BrokerDisk | undefined {
    return this.disks.get(name);
  }

  /** Unmounts all of them and loses their content. The processes that used them must have ended. */
  close(): void {
    process.off('exit', this.unmountNow);
    this.unmountAll();
  }

  private async mount(name: string): Promise<OwnDisk> {
    const path = join(this.folder, name);
    await mkdir(path, { mode: 0o700 });
    const options = `size=${this.bytes},mode=700`;
    await run('mount', ['-t', 'tmpfs', '-o', options, 'sekali-disk', path], { timeout: COMMAND_MS_MAX });
    const disk = new OwnDisk(path);
    this.disks.set(name, disk);
    return disk;
  }

  private unmountAll(): void {
    for (const { path } of this.disks.values()) {
      try {
        // This is a lazy unmount, because a process with an open file must not keep the disk for ever.
        execFileSync('umount', ['-l', path], { stdio: 'ignore', timeout: COMMAND_MS_MAX });
      } catch {
        // The disk is already unmounted.
      }
    }
    this.disks.clear();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class OwnDisk implements BrokerDisk {
  constructor(readonly path: string) {}

  async fill(): Promise<void> {
    const filler = join(this.path, FILLER);
    // Most of it is written at once. In pieces it took half a minute during a load, and the disk was full when that was
    // over. It is less than all, because what others write between the two calls would make the whole write fail.
    const most = (await this.bytesLeft()) - OTHERS_BYTES;
    if (most > 0) await run('fallocate', ['-l', String(most), filler], { timeout: COMMAND_MS_MAX });
    const file = await open(filler, 'a');
    try {
      // Others write at the same time, so the rest is taken until nothing is left.
      for (let chunk = CHUNK_BYTES; chunk >= 1;) {
        const { bytesWritten, full } = await write(file, chunk);
        if (full || bytesWritten < chunk) chunk = Math.floor(chunk / 16);
      }
    } finally {
      await file.close();
    }
    const left = await this.bytesLeft();
    if (left > CHUNK_BYTES) throw new Error(`${left} bytes are left on ${this.path}`);
  }

  async free(): Promise<void> {
    await rm(join(this.path, FILLER), { force: true });
  }

  private async bytesLeft(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }
}

async function write(
  file: Awaited<ReturnType<typeof open>>,
  bytes: number,
): Promise<{ readonly bytesWritten: number; readonly full: boolean }> {
  try {
    const { bytesWritten } = await file.write(Buffer.alloc(bytes));
    return { bytesWritten, full: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return { bytesWritten: 0, full: true };
  }
}
