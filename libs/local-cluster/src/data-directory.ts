/**
 * The folder that holds everything a local system keeps: `.sekali/`.
 *
 *   lock.json     which `sekali up` uses it, and the processes that it started
 *   layout.json   the versions that created it: format, Postgres major, number of brokers
 *   running.json  where the running system is (URLs with the database's password: readable by its owner only)
 *   nats-1 …      the brokers' files        postgres   the database's        logs   what the processes wrote
 *
 * The directory has one user at a time, and two sets of processes never share its files. The lock is taken over only
 * when its owner and every process recorded in it have ended. Every refusal is one line that says what to do.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseLock, takeLock, writeLock, type LockChild } from './data-directory-lock.js';
import { LocalClusterError } from './local-cluster-error.js';
import { identifyProcess, isCertainlyRunning } from './process-identity.js';

const FORMAT_VERSION = 1;
const RUNNING_FILE = 'running.json';

/** The versions that created a data directory, without which it cannot be used. */
export interface DataLayout {
  readonly format: number;
  readonly postgresMajor: number;
  readonly nodes: number;
}

/** The URLs of a running system. */
export interface RunningSystem {
  readonly gateway: string;
  readonly gateways: readonly string[];
  readonly nats: readonly string[];
  /** Includes user and password. */
  readonly postgres: string;
  readonly data: string;
}

/** An open data directory, which is ours until `close`. */
export interface DataDirectory {
  readonly path: string;
  readonly logs: string;
  /** One line about an abandoned lock that was taken over; undefined when there was none. */
  readonly notice: string | undefined;
  /** Records the processes that must end before another `sekali up` may use the directory. */
  recordChildren(pids: Readonly<Record<string, number>>): void;
  /** Records where the system is, for `readRunningSystem`. */
  recordRunning(system: RunningSystem): void;
  /** Checks which versions created the directory, or records them when it is new. Throws `LocalClusterError`. */
  checkLayout(expected: Omit<DataLayout, 'format'>): void;
  /** Releases the directory. */
  close(): void;
}

/**
 * Opens the directory, and creates it when it is missing. Throws `LocalClusterError` when it is in use or cannot be
 * written.
 */
export function openDataDirectory(directory: string): DataDirectory {
  const path = resolve(directory);
  const logs = join(path, 'logs');
  const lockFile = join(path, 'lock.json');
  const notice = refuseUnwritable(path, () => {
    makeFolder(logs);
    // Root's Postgres runs as another user, who has to enter the folder.
    if (process.getuid?.() === 0) chmodSync(path, 0o711);
    return takeLock(lockFile);
  });
  const identities = new Map<number, LockChild>();
  return {
    path,
    logs,
    notice,
    recordChildren(pids) {
      const children = Object.entries(pids).map(([name, pid]) => {
        const known = identities.get(pid);
        const child = known?.name === name ? known : { name, ...identifyProcess(pid) };
        identities.set(pid, child);
        return child;
      });
      writeLock(lockFile, children);
    },
    recordRunning(system) {
      const file = join(path, RUNNING_FILE);
      writeFileSync(`${file}.new`, `${JSON.stringify(system, null, 2)}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    checkLayout: (expected) => checkLayout(path, { format: FORMAT_VERSION, ...expected }),
    close() {
      rmSync(join(path, RUNNING_FILE), { force: true });
      rmSync(lockFile, { force: true });
    },
  };
}

/**
 * Where the system on this data directory is; undefined when none runs there.
 *
 * A folder that somebody else filled must not choose where commands send their keys. So the file is trusted only when
 * this user owns it and the process that holds the lock is alive. An attacker cannot know that process beforehand.
 */
export function readRunningSystem(directory: string): RunningSystem | undefined {
  const file = join(resolve(directory), RUNNING_FILE);
  try {
    const lock = parseLock(readFileSync(join(resolve(directory), 'lock.json'), 'utf8'));
    if (lock === undefined || !isCertainlyRunning(lock.owner)) return undefined;
    if (process.getuid !== undefined && statSync(file).uid !== process.getuid()) return undefined;
    return JSON.parse(readFileSync(file, 'utf8')) as RunningSystem;
  } catch {
    return undefined;
  }
}

function checkLayout(path: string, expected: DataLayout): void {
  const file = join(path, 'layout.json');
  if (!existsSync(file)) {
    writeFileSync(file, `${JSON.stringify(expected, null, 2)}\n`);
    return;
  }
  const made = readLayout(file);
  const mismatch = describeMismatch(made, expected);
  if (mismatch !== undefined)
    throw new LocalClusterError(`${path} ${mismatch}, or choose another directory with --data.`);
}

function readLayout(file: string): Partial<DataLayout> {
  try {
    const layout: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof layout === 'object' && layout !== null) return layout;
  } catch {
    // The caller reports the failure.
  }
  throw new LocalClusterError(`${file} cannot be read: it is damaged. Choose another directory with --data.`);
}

/** Why a data directory does not fit the expected use, as the middle of a sentence; undefined when it fits. */
export function describeMismatch(made: Partial<DataLayout>, expected: DataLayout): string | undefined {
  if (made.format !== expected.format) {
    return `has format ${made.format ?? 'unknown'}, and this sekali reads format ${expected.format}: use the sekali that made it`;
  }
  if (made.postgresMajor !== expected.postgresMajor) {
    return `was made by Postgres ${made.postgresMajor ?? 'unknown'}, and this is Postgres ${expected.postgresMajor}: use that Postgres (SEKALI_POSTGRES_BIN)`;
  }
  if (made.nodes !== expected.nodes) {
    return `was made with ${made.nodes ?? 'unknown'} brokers, not ${expected.nodes}: give --nodes ${made.nodes ?? '?'}`;
  }
  return undefined;
}

/**
 * Creates a folder and those above it. Node's `recursive` never returns where a file system answers ENOENT, as /proc
 * does.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process has just created it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function refuseUnwritable<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'EEXIST')
      throw new LocalClusterError(`${path} is not a directory: choose another with --data.`);
    if (error instanceof LocalClusterError || code === undefined) throw error;
    // The file system's error may be EACCES, EROFS, ENOSPC, or ENOENT in a read-only folder.
    throw new LocalClusterError(
      `${path} cannot be written (${code}): run as its owner, or choose another directory with --data.`,
    );
  }
}
