/**
 * A log file as lines, read once or followed while it is written.
 *
 *   read ─▶ end of file ─┬─ not following ─▶ done
 *     ▲                  ├─ grown ──────────▶ read on
 *     ├──────────────────┼─ shorter ────────▶ from the beginning (truncated)
 *     └──────────────────┴─ another file ───▶ the rest of the old one, then the new one (rotated)
 *
 * One chunk is in memory at a time.
 */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { pause } from '#waiting';
import { FILE_START, type Line, type LinePosition, LineSplitter } from './line-splitter.js';

/** Lines that were read together. An empty batch means that there is nothing more for now. */
export interface LineGroup {
  readonly lines: readonly Line[];
  /** When the file was last changed. */
  readonly modified: Date;
  /** The file of the lines. Several files may have the same path one after the other. */
  readonly identity: FileIdentity;
}

/** Distinguishes files that had the same path. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** How to read. */
export interface ReadingPlan {
  readonly path: string;
  readonly from: LinePosition;
  readonly follow: boolean;
  /** Whether a last line without a newline is a line. */
  readonly takeLastLine: boolean;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  /** Receives at the end how many bytes of an unfinished last line were left. */
  readonly onHeldBack: (bytes: number) => void;
}

const CHUNK_BYTES = 262_144;
const POLL_EVERY_MS = 300;

/** Reads. Throws the file system's own error. */
export async function* readLines(plan: ReadingPlan): AsyncGenerator<LineGroup> {
  let from = plan.from;
  for (;;) {
    const handle = await openWhenThere(plan);
    if (!handle) return;
    try {
      const end = yield* readOpenFile(handle, plan, from);
      if (end === 'done') return;
      plan.onNotice(`${plan.path} was ${end}: reading the new one from its beginning`);
      from = FILE_START;
    } finally {
      await handle.close();
    }
  }
}

async function* readOpenFile(
  handle: FileHandle,
  plan: ReadingPlan,
  from: LinePosition,
): AsyncGenerator<LineGroup, 'done' | 'rotated' | 'truncated'> {
  const splitter = new LineSplitter(from);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let { offset } = from;
  let lastRead = false;
  while (!plan.signal.aborted) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, offset);
    const { mtime: modified, dev: device, ino: inode } = await handle.stat();
    const group = (lines: readonly Line[]): LineGroup => ({ lines, modified, identity: { device, inode } });
    if (bytesRead > 0) {
      offset += bytesRead;
      yield group(splitter.push(chunk.subarray(0, bytesRead)));
      continue;
    }
    const ends = !plan.follow || lastRead;
    // No program writes to a rotated file any more, so its last line is finished, with or without a newline.
    const rest = ends && (plan.takeLastLine || lastRead) ? splitter.finish() : undefined;
    yield group(rest ? [rest] : []);
    if (ends) {
      plan.onHeldBack(splitter.unfinishedBytes);
      return plan.follow ? 'rotated' : 'done';
    }
    await pause(POLL_EVERY_MS, plan.signal);
    const change = await changeOf(handle, plan.path, offset);
    if (change === 'truncated') {
      // The file was emptied, so this is all there will ever be of that line.
      const cut = splitter.finish();
      yield group(cut ? [cut] : []);
      return change;
    }
    // What was written between the last read and the rotation is still to be read.
    lastRead = change === 'rotated';
  }
  plan.onHeldBack(splitter.unfinishedBytes);
  return 'done';
}

async function changeOf(
  handle: FileHandle,
  path: string,
  offset: number,
): Promise<'rotated' | 'truncated' | undefined> {
  const ours = await handle.stat();
  if (ours.size < offset) return 'truncated';
  const there = await stat(path).catch(() => undefined);
  // The file was moved away and there is no new one yet. Its writer may not know either, so reading continues.
  if (!there) return undefined;
  return there.ino === ours.ino && there.dev === ours.dev ? undefined : 'rotated';
}

/** A path that is followed may be without a file for a moment, between two of them. */
async function openWhenThere(plan: ReadingPlan): Promise<FileHandle | undefined> {
  for (;;) {
    try {
      return await open(plan.path, 'r');
    } catch (error) {
      if (!plan.follow || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await pause(POLL_EVERY_MS, plan.signal);
      if (plan.signal.aborted) return undefined;
    }
  }
}
