/**
 * Copies of what brokers keep on disk, to be put back later.
 *
 *   <copy>/nats-1, <copy>/nats-2 …      a whole store as it was at one moment
 *
 * The caller must pause the brokers before a copy, and end them before it is put back.
 */
import { constants, mkdtempSync } from 'node:fs';
import { access, cp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The store of one broker. */
export interface Store {
  /** "nats-1" */
  readonly name: string;
  readonly directory: string;
}

/** The part of a store that is copied. */
export type Choice = 'everything' | 'consumers';

/** The copies of several stores at one moment. */
export class StoreCopy {
  private constructor(private readonly folder: string) {}

  /** Copies the chosen part of each store. */
  static async of(stores: readonly Store[], choice: Choice = 'everything'): Promise<StoreCopy> {
    const copy = new StoreCopy(mkdtempSync(join(tmpdir(), 'sekali-stores-')));
    try {
      await Promise.all(stores.map((store) => copy.take(store, choice)));
      return copy;
    } catch (error) {
      await copy.discard();
      throw error;
    }
  }

  /** Replaces the present content of each of these stores by its copy. */
  async putBack(stores: readonly Store[], choice: Choice = 'everything'): Promise<void> {
    await Promise.all(
      stores.map(async ({ name, directory }) => {
        const copied = join(this.folder, name);
        for (const path of await pathsOf(directory, choice)) await remove(join(directory, path));
        for (const path of await pathsOf(copied, choice)) await copyOver(copied, directory, path);
      }),
    );
  }

  /** Removes the copies. It may be called again. */
  async discard(): Promise<void> {
    await remove(this.folder);
  }

  private async take({ name, directory }: Store, choice: Choice): Promise<void> {
    for (const path of await pathsOf(directory, choice)) {
      await copyOver(directory, join(this.folder, name), path);
    }
  }
}

/** Empties a store: its broker comes back with nothing. */
export async function emptyStore(directory: string): Promise<void> {
  for (const path of await pathsOf(directory, 'everything')) await remove(join(directory, path));
}

/**
 * Below a store:
 *
 *   jetstream/<account>/streams/<stream>/obs   the state of the consumers of a stream
 *   jetstream/<system account>/_js_/C-…        the log of each consumer's Raft group
 */
async function pathsOf(directory: string, choice: Choice): Promise<string[]> {
  if (choice === 'everything') return entriesOf(directory, '.');
  const found: string[] = [];
  for (const account of await entriesOf(directory, 'jetstream')) {
    for (const stream of await entriesOf(directory, join(account, 'streams')))
      found.push(join(stream, 'obs'));
    const groups = await entriesOf(directory, join(account, '_js_'));
    found.push(...groups.filter((group) => /[/\\]C-[^/\\]*$/.test(group)));
  }
  return found;
}

async function entriesOf(directory: string, path: string): Promise<string[]> {
  const names = await readdir(join(directory, path)).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  });
  return names.map((name) => join(path, name));
}

async function copyOver(from: string, to: string, path: string): Promise<void> {
  const source = join(from, path);
  // A broker that was wiped may have no consumers yet.
  if (!(await exists(source))) return;
  await cp(source, join(to, path), { recursive: true, mode: constants.COPYFILE_FICLONE });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
