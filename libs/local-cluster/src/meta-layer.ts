/**
 * A copy of a broker's knowledge of the cluster's streams, because nats-server 2.14.0 forgets it on a full disk.
 *
 *   <store>/jetstream/<system account>/_js_/_meta_   the log of the meta group; deleted when JetStream switches itself off
 *   <store>/meta-layer/<system account>              the copy
 *
 * A broker that starts without that log learns of its streams from the others. When all disks were full, no broker
 * knows of any stream, and each removes its own stream files as orphans. So the copy is restored before a start.
 *
 * Two other designs do not hold. A supervisor could avoid restarting all brokers at once, but people and power cuts do.
 * A broker could refuse to start without the log, but that is an outage until a person acts. The log changes only with
 * a stream, a consumer or a broker. So a copy is rarely older than the log, and still knows more than an empty one.
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

  /** Whether the log of any account exists. */
  get exists(): boolean {
    return [...this.logs()].length > 0;
  }

  /**
   * Copies the log when it has not changed since the previous call and differs from the copy. A log that is being
   * written waits for the next call, and so does everything when the disk is full. Call it while JetStream is on.
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
   * Restores the copy where the log is missing and files of streams exist. Call it while the broker is down.
   *
   * @returns whether it did
   * @throws the file system's error; the broker must not be started then
   */
  restore(): boolean {
    if (!this.hasStreams()) return false;
    let restored = false;
    for (const account of namesIn(join(this.storeDirectory, COPIES))) {
      const log = this.logOf(account);
      // A process that ended while it wrote left half a copy under another name.
      if (account.includes('.') || existsSync(log)) continue;
      putInPlace(this.copyOf(account), log);
      restored = true;
    }
    this.seen = undefined;
    this.copied = undefined;
    return restored;
  }

  /**
   * Takes the copy of another broker for a missing log. Call it while this broker is down.
   *
   * @returns whether the other one had a copy
   */
  adopt(other: MetaLayer): boolean {
    let adopted = false;
    for (const account of namesIn(join(other.storeDirectory, COPIES))) {
      const log = this.logOf(account);
      if (account.includes('.') || existsSync(log)) continue;
      putInPlace(other.copyOf(account), log);
      // The other broker's vote must not become this one's.
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

/** Copies a folder as a whole or not at all. */
function putInPlace(from: string, to: string): void {
  const unfinished = `${to}.unfinished`;
  mkdirSync(dirname(to), { recursive: true });
  rmSync(unfinished, { recursive: true, force: true });
  cpSync(from, unfinished, { recursive: true });
  renameSync(unfinished, to);
}

/** Names of a folder's entries; none when the folder does not exist. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Every file below a folder by its path there. A file that disappears meanwhile is left out. */
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
