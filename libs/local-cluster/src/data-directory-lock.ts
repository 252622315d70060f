/**
 * The lock of a data directory: a file that names its owner and the processes that the owner started.
 *
 *   none ─────────────────────────────────────────▶ ours
 *   owner alive ──────────────────────────────────▶ refused
 *   owner dead, one of its processes alive ───────▶ refused, with the command that ends them
 *   owner dead, all its processes gone ─rename────▶ ours, and reported
 *   unreadable ───────────────────────────────────▶ refused
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { LocalClusterError } from './local-cluster-error.js';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.js';

const TAKE_ATTEMPTS_MAX = 5;

/** A process that the owner of a lock started. */
export interface LockChild extends ProcessIdentity {
  readonly name: string;
}

/** The content of a lock file. */
export interface LockRecord {
  readonly owner: ProcessIdentity;
  readonly since: string;
  readonly children: readonly LockChild[];
}

/**
 * Takes the lock for this process. Returns one line to show when a process that has ended left it behind. Throws
 * `LocalClusterError` when the lock is held, or was left behind with processes still running.
 */
export function takeLock(file: string): string | undefined {
  let notice: string | undefined;
  for (let attempt = 0; attempt < TAKE_ATTEMPTS_MAX; attempt += 1) {
    if (createLock(file)) return notice;
    const text = readText(file);
    if (text === undefined) continue;
    notice = judge(file, text);
    setAside(file, text);
  }
  throw new LocalClusterError(
    `${file} changes its owner all the time: is another sekali being restarted again and again?`,
  );
}

/** Replaces the record of our own lock. */
export function writeLock(file: string, children: readonly LockChild[]): void {
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, render(children));
  renameSync(fresh, file);
}

/** Creates the file with its content in one step, so that no process ever reads half a record. */
function createLock(file: string): boolean {
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, render([]));
  try {
    linkSync(fresh, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Returns the notice when the lock can be taken over; throws when it cannot. */
function judge(file: string, text: string): string {
  const lock = parseLock(text);
  if (lock === undefined) {
    throw new LocalClusterError(
      `${file} is damaged: if no other "sekali up" uses this directory, delete that file and start again.`,
    );
  }
  if (isRunning(lock.owner)) {
    throw new LocalClusterError(
      `Another "sekali up" (pid ${lock.owner.pid}) uses ${file.replace(/[/\\]lock\.json$/, '')}: stop it, or choose another directory with --data.`,
    );
  }
  const left = lock.children.filter(isRunning);
  if (left.length > 0) {
    const names = left.map((child) => `${child.name} (pid ${child.pid})`).join(', ');
    throw new LocalClusterError(
      `An earlier "sekali up" was killed and left ${names} running: end them with "kill ${left.map((child) => child.pid).join(' ')}" and start again.`,
    );
  }
  return `Took over the lock of an earlier "sekali up" (pid ${lock.owner.pid}) that was killed; none of its processes is left.`;
}

/** Reads a lock record; returns undefined when the text is not one. */
export function parseLock(text: string): LockRecord | undefined {
  try {
    const lock = JSON.parse(text) as LockRecord | null;
    const valid =
      lock !== null &&
      isIdentity(lock.owner) &&
      Array.isArray(lock.children) &&
      lock.children.every(isIdentity);
    return valid ? lock : undefined;
  } catch {
    return undefined;
  }
}

function isIdentity(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Number.isInteger((value as { pid?: unknown }).pid);
}

/**
 * Removes exactly the lock that was judged. Two processes that judge it at once must not remove each other's new one.
 */
function setAside(file: string, judged: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  try {
    if (readText(aside) !== judged) linkSync(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function render(children: readonly LockChild[]): string {
  const record: LockRecord = {
    owner: identifyProcess(process.pid),
    since: new Date().toISOString(),
    children,
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}
