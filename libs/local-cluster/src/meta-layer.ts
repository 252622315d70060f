/**
 * A copy of what a broker knows of the streams of its cluster, because nats-server 2.14.0 forgets that on a full disk.
 *
 *   <store>/jetstream/<system account>/_js_/_meta_   the log of the meta group; deleted when JetStream switches itself off
 *   <store>/meta-layer/<system account>              the copy
 *
 * A broker that starts without that log learns of its streams from the others. When the disks of all were full, no broker
 * knows of any stream, and each removes the files of its own as orphans. So the copy is put back before a start.
 *
 * Other designs: never restart all of them at once (a person does, and so does a power cut), or refuse to start without the
 * log (an outage until somebody acts). The log changes only with a stream, a consumer or a broker. A copy that is older than
 * the log is therefore rare, and still knows more than the empty log that the broker would begin with.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const COPIES = 'meta-layer';
const VOTE = 'tav.idx';

/** Keeps the copy of one store. */
export class MetaLayer {
  private seen: string | undefined;
  private copied: string | undefined;

  /** @param storeDirectory the `store_dir` of the broker; it may not exist yet */
  constructor(private readonly storeDirectory: string) {}

  /** Whether the log is there, of whatever account. */
  get exists(): boolean {
    return [...this.logs()].length > 0;
  }

  /**
   * Copies the log when it is as it was at the call before, and not as it was copied last. A log that is being written is
   * left for the next call; so is everything when the disk is full. To be called while JetStream is on.
   */
  keep(): void {
    for (const { account, log } of this.logs()) {
      const files = readFiles(log);
      const state = describe(files);
      const isQuiet = state === this.seen;
      this.seen = state;
      if (!isQuiet || files.size === 0 || state === this.copied) continue;
      if (this.copy(account, files)) this.copied = state;
    }
  }

  /**
   * Puts the copy back where the log is gone and files of streams are there. To be called while the broker is down.
   *
   * @returns whether it did
   * @throws what the file system says, and then the broker must not be started
   */
  restore(): boolean {
    if (!this.hasStreams()) return false;
    let restored = false;
    for (const account of namesIn(join(this.storeDirectory, COPIES))) {
      const log = this.logOf(account);
      // Half a copy, of a process that ended while it wrote, has another name.
      if (account.includes('.') || existsSync(log)) continue;
      putInPlace(this.copyOf(account), log);
      restored = true;
    }
    this.seen = undefined;
    this.copied = undefined;
    return restored;
  }

  /**
   * Takes the copy of another broker for the log that is not there. To be called while this broker is down.
   *
   * @returns whether the other one had a copy
   */
  adopt(other: MetaLayer): boolean {
    let adopted = false;
    for (const account of namesIn(join(other.storeDirectory, COPIES))) {
      const log = this.logOf(account);
      if (account.includes('.') || existsSync(log)) continue;
      putInPlace(other.copyOf(account), log);
      // Whom the other one voted for is no vote of this one.
      rmSync(join(log, VOTE), { force: true });
      adopted = true;
    }
    return adopted;
  }

  private copy(account: string, files: ReadonlyMap<string, Buffer>): boolean {
    const target = this.copyOf(account);
    const unfinished = `${target}.unfinished`;
    try {
      rmSync(unfinished, { recursive: true, force: true });
      for (const [path, content] of files) {
        mkdirSync(dirname(join(unfinished, path)), { recursive: true });
        writeFileSync(join(unfinished, path), content);
      }
      rmSync(target, { recursive: true, force: true });
      renameSync(unfinished, target);
      return true;
    } catch {
      return false;
    }
  }

  private *logs(): Iterable<{ readonly account: string; readonly log: string }> {
    for (const account of namesIn(join(this.storeDirectory, 'jetstream'))) {
      const log = this.logOf(account);
      if (existsSync(log)) yield { account, log };
    }
  }

  private hasStreams(): boolean {
    const accounts = join(this.storeDirectory, 'jetstream');
    return namesIn(accounts).some((account) => namesIn(join(accounts, account, 'streams')).length > 0);
  }

  private logOf(account: string): string {
    return join(this.storeDirectory, 'jetstream', account, '_js_', '_meta_');
  }

  private copyOf(account: string): string {
    return join(this.storeDirectory, COPIES, account);
  }
}

/** Copies a folder so that it is there in whole or not at all. */
function putInPlace(from: string, to: string): void {
  const unfinished = `${to}.unfinished`;
  mkdirSync(dirname(to), { recursive: true });
  rmSync(unfinished, { recursive: true, force: true });
  cpSync(from, unfinished, { recursive: true });
  renameSync(unfinished, to);
}

/** Names of what a folder holds; none when it is not there. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Every file below a folder by its path there. A file that goes away meanwhile is left out. */
function readFiles(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(folder.length + 1), readFileSync(path));
    }
  } catch {
    files.clear();
  }
  return files;
}

function describe(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256');
  for (const path of [...files.keys()].sort()) hash.update(`${path}\0`).update(files.get(path) as Buffer);
  return hash.digest('hex');
}
