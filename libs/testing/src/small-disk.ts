/** A small disk in memory (tmpfs), for tests of a full disk. Only root on Linux may mount one. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One mounted disk. Its root belongs to the user, and others may read it. */
export class SmallDisk {
  private constructor(
    /** The folder on which the disk is mounted. */
    readonly path: string,
  ) {}

  /** Whether this user may mount a disk. It tries that with one of one megabyte. */
  static canMount(): boolean {
    if (process.platform !== 'linux') return false;
    try {
      SmallDisk.mount(1).unmount();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Mounts a disk on a temporary folder.
   *
   * @param megabytes its size, in units of 1,048,576 bytes
   * @throws when this user may not mount a disk
   */
  static mount(megabytes: number): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), 'sekali-disk-'));
    try {
      const options = `size=${megabytes}m,mode=755`;
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
    } catch (error) {
      rmSync(path, { recursive: true });
      throw error;
    }
    return new SmallDisk(path);
  }

  /** Changes the size, also while processes use the disk. */
  resize(megabytes: number): void {
    execFileSync('mount', ['-o', `remount,size=${megabytes}m`, this.path]);
  }

  /**
   * Fills the disk to the last byte.
   *
   * @returns the file that takes the room
   */
  fill(): string {
    const path = join(this.path, 'other');
    const file = openSync(path, 'a');
    try {
      for (let chunk = 1024 ** 2; chunk >= 1;) {
        try {
          if (writeSync(file, Buffer.alloc(chunk)) === chunk) continue;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
        chunk = Math.floor(chunk / 16);
      }
    } finally {
      closeSync(file);
    }
    return path;
  }

  /** Unmounts the disk, also when processes still use it, and removes the folder. */
  unmount(): void {
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
