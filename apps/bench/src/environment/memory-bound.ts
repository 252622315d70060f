/**
 * A bound on the memory of Postgres, including the pages of its files that the system caches.
 *
 * Linux bounds both by a memory cgroup. A page belongs to the group whose process read it first, so Postgres has to be in
 * the group before it fills its tables. The group lies in that of this process, whose own bound therefore stays valid.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from '#waiting';
import { childrenOf } from './processor-time.js';

const ROOT = '/sys/fs/cgroup';
/** The file of the bound in each version of cgroups, and what it contains when there is none. */
const BOUNDS = {
  1: { file: 'memory.limit_in_bytes', none: '-1' },
  2: { file: 'memory.max', none: 'max' },
} as const;
const RECLAIM_MS_MAX = 60_000;
const REMOVE_MS_MAX = 5_000;

/** A place where a memory cgroup could be created. */
export interface CgroupPlace {
  readonly folder: string;
  readonly version: keyof typeof BOUNDS;
}

/** Finds the places for a group of this process's own, from the text of /proc/self/cgroup. */
export function cgroupPlaces(text: string): CgroupPlace[] {
  return text.split('\n').flatMap((line): CgroupPlace[] => {
    const [, controllers = '-', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.split(',').includes('memory'))
      return [{ folder: join(ROOT, 'memory', path), version: 1 }];
    return controllers === '' ? [{ folder: join(ROOT, path), version: 2 }] : [];
  });
}

/** A memory cgroup without a bound at first. */
export class MemoryBound {
  private constructor(private readonly place: CgroupPlace) {}

  /** Creates the group. @returns `undefined` where the system has no memory cgroups, or does not allow one */
  static create(name: string): MemoryBound | undefined {
    for (const { folder, version } of cgroupPlaces(textOf('/proc/self/cgroup'))) {
      const place = { folder: join(folder, name), version };
      try {
        mkdirSync(place.folder);
      } catch {
        continue;
      }
      if (existsSync(join(place.folder, BOUNDS[version].file))) return new MemoryBound(place);
      rmdirSync(place.folder);
    }
    return undefined;
  }

  /** Moves a process and its children into the group. Those that they start later are in it, too. */
  adopt(pid: number): void {
    // One that is started meanwhile is in the group of its parent, so the parent goes first.
    writeFileSync(join(this.place.folder, 'cgroup.procs'), String(pid));
    for (const child of childrenOf(pid)) this.adopt(child);
  }

  /**
   * Sets the bound. The system first takes away what exceeds it.
   *
   * @param bytes `undefined` removes the bound
   * @throws when the group cannot do with as little
   */
  async limit(bytes: number | undefined): Promise<void> {
    const { file, none } = BOUNDS[this.place.version];
    const set = (): true | undefined => {
      try {
        writeFileSync(join(this.place.folder, file), bytes === undefined ? none : String(bytes));
        return true;
      } catch (error) {
        if ((error as { code?: string }).code === 'EBUSY') return undefined;
        throw error;
      }
    };
    if ((await poll(set, { timeoutMs: RECLAIM_MS_MAX })) === undefined)
      throw new Error(`Postgres and its pages need more than ${bytes} bytes`);
  }

  /** Removes the group when its processes have ended. */
  async remove(): Promise<void> {
    const removed = (): true | undefined => {
      try {
        rmdirSync(this.place.folder);
        return true;
      } catch {
        return undefined;
      }
    };
    if ((await poll(removed, { timeoutMs: REMOVE_MS_MAX })) === undefined)
      throw new Error(`the memory cgroup ${this.place.folder} could not be removed`);
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Other systems than Linux have no such file.
    return '';
  }
}
