/**
 * Copies of what brokers keep on disk, to be put back later.
 *
 *   <copy>/nats-1, <copy>/nats-2 …      all of a store as it was at one moment
 *
 * A copy is taken from brokers that stand still, and put back where none runs; both are the caller's to see to.
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

/** What of a store is looked at. */
export type Choice = 'everything' | 'consumers';

/** A moment of several stores. */
export class StoreCopy {
  private constructor(private readonly folder: string) {}

  /** Takes what was chosen of each store. */
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

  /** Puts it in the place of what each of these stores holds now. */
  async putBack(stores: readonly Store[], choice: Choice = 'everything'): Promise<void> {
    await Promise.all(
      stores.map(async ({ name, directory }) => {
        const copied = join(this.folder, name);
        for (const path of await pathsOf(directory, choice)) await remove(join(directory, path));
        for (const path of await pathsOf(copied, choice)) await copyOver(copied, directory, path);
      }),
    );
  }

  /** Gives back its room. Repeatable. */
  async discard(): Promise<void> {
    await remove(this.folder);
  }

  private async take({ name, directory }: Store, choice: Choice): Promise<void> {
    for (const path of await pathsOf(directory, choice)) {
      await copyOver(directory, join(this.folder, name), path);
    }
  }
}

/** Empties a store: the broker that has it comes back with nothing. */
export async function emptyStore(directory: string): Promise<void> {
  for (const path of await pathsOf(directory, 'everything')) await remove(join(directory, path));
}

/**
 * Below a store:
 *
 *   jetstream/<account>/streams/<stream>/obs   where the consumers of a stream are
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
